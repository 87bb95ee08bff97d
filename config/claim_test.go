package config_test

import (
	"testing"

	"varve/config"
)

func TestClaim(t *testing.T) {
	const text = `volumes:
  db1: {source: "rbd:vms/db1"}
  weekly: {source: "rbd:vms/db2@weekly"}
  web/own: {source: /srv/own}
  "web/*": {source: "rbd:vms/web-*", exclude: [scratch]}
  "snap/*": {source: "rbd:vms/s-*@daily"}
  "late/*": {source: "rbd:vms/web-s*"}
  "img/*": {source: "/srv/*/disk.img"}
`
	c := good(t, text)
	tests := []struct{ source, volume, excluded, like string }{
		{"rbd:vms/db1", "db1", "", ""},
		{"rbd:vms/db2", "weekly", "", ""},
		{"rbd:vms/web-1", "web/1", "", "rbd:vms/web-*"},
		{"rbd:vms/web-scratch", "late/cratch", "", "rbd:vms/web-s*"},
		{"rbd:vms/web-own", "", "", ""}, // the name is another one's
		{"rbd:vms/s-1", "snap/1", "", "rbd:vms/s-*@daily"},
		{"rbd:vms/s-", "", "", ""},
		{"rbd:vms/other", "", "", ""},
		{"rbd:vms/web-/1", "", "", ""},
		{"/srv/a/disk.img", "img/a", "", "/srv/*/disk.img"},
		{"/srv/a/b/disk.img", "", "", ""},
		{"/srv/own", "web/own", "", ""},
	}
	for _, test := range tests {
		claim := c.Claim(test.source)
		name := ""
		if claim.Volume != nil {
			name = claim.Volume.Name.String()
		}
		if name != test.volume || claim.Excluded != test.excluded || claim.Like != test.like {
			t.Errorf("%s is %q, excluded by %q, like %q; want %+v", test.source, name, claim.Excluded, claim.Like, test)
		}
	}
	only := good(t, "volumes: {\"web/*\": {source: \"rbd:vms/web-*\", exclude: [scratch]}}")
	if claim := only.Claim("rbd:vms/web-scratch"); claim.Volume != nil || claim.Excluded != "web/*" || claim.Like != "rbd:vms/web-*" {
		t.Errorf("what is excluded is %+v", claim)
	}
	if !c.Has("web/*") || !c.Has("web/own") || c.Has("web/1") {
		t.Error("entries are found by other names than theirs")
	}
	var none *config.Config
	if claim := none.Claim("rbd:vms/db1"); claim.Volume != nil || none.Has("db1") {
		t.Error("without a configuration, something is somebody's")
	}
}

// What a claim says is what Volumes lists.
func TestClaimAgreesWithVolumes(t *testing.T) {
	parts := map[string][]string{"/1/*": {"a", "b", "own", "x", "second"}, "/1/*b": {}, "/1/s*": {"econd"}}
	c := good(t, `volumes:
  "v/*": {source: "/1/*", exclude: ["[x]", "s*"]}
  "w/*": {source: "/1/s*"}
  v/own: {source: /elsewhere}
  mine: {source: /1/b}
`)
	all, _ := c.Volumes(lister(parts)) // of one that nothing fits, it tells
	listed := map[string]string{}
	for _, v := range all {
		listed[v.Source] = v.Name.String()
	}
	for _, source := range []string{"/1/a", "/1/b", "/1/own", "/1/x", "/1/second", "/elsewhere"} {
		name := ""
		if claim := c.Claim(source); claim.Volume != nil {
			name = claim.Volume.Name.String()
		}
		if name != listed[source] {
			t.Errorf("%s is claimed for %q, and listed for %q", source, name, listed[source])
		}
	}
}
