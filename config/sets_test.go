package config_test

import (
	"slices"
	"strings"
	"testing"

	"varve/revision"
)

const shopVolumes = `volumes:
  root: {source: /dev/root, hooks: {freeze: f, thaw: t}}
  other: {source: /dev/other, hooks: {freeze: f, thaw: t}}
  data: {source: /dev/data}
  "vms/*": {source: "/vms/*"}
`

func TestSets(t *testing.T) {
	t.Parallel()
	c := good(t, shopVolumes+`sets:
  shop: {volumes: [root, data], hooks: {freeze: "fsfreeze", thaw: "fsthaw"}}
  loose: {volumes: [vms/a, vms/b], consistent: no}
`)
	sets := c.Sets()
	if len(sets) != 2 || sets[0].Name != "shop" || !sets[0].Consistent || sets[0].Hooks.Freeze != "fsfreeze" || sets[0].Hooks.FreezeTimeout == 0 {
		t.Fatalf("the sets are %+v", sets)
	}
	if s, found := c.SetOf("vms/b"); !found || s.Name != "loose" || s.Consistent || !slices.Equal(s.Volumes, []revision.Name{"vms/a", "vms/b"}) {
		t.Errorf("vms/b is of %+v, %t", s, found)
	}
	if _, found := c.SetOf("vms/c"); found {
		t.Error("a volume of no set is of one")
	}
	if s, found := c.Set("shop"); !found || s.Line != 7 {
		t.Errorf("the set shop is %+v, %t", s, found)
	}
}

func TestWrongSets(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]string{
		"shop: {volumes: [root, none], consistent: no}":                                           `no volume is called "none"`,
		"shop: {volumes: [root], consistent: no}":                                                 "two volumes or more",
		"shop: {consistent: no}":                                                                  "two volumes or more",
		"shop: {volumes: [root, data]}":                                                           "nothing freezes data:",
		"shop: {volumes: [root, other], consistent: maybe}":                                       "want yes or no",
		"shop: {volumes: [root, data], hooks: {freeze: f}}":                                       "need one another",
		"shop: {volumes: [root, other], hooks: {before: f}}":                                      "unknown key",
		".shop: {volumes: [root, data], consistent: no}":                                          `bad name ".shop" of a set`,
		"a: {volumes: [root, data], consistent: no}, b: {volumes: [data, vms/x], consistent: no}": `volume "data" is of the set "a", too`,
	} {
		found := problems(t, shopVolumes+"sets: {"+set+"}\n")
		if len(found) != 1 || !strings.Contains(found[0], want) {
			t.Errorf("%s: %q, want %s", set, found, want)
		}
	}
}
