package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	prom "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v4"

	"varve/internal/durable"
	"varve/repository"
	"varve/revision"
	"varve/status"
)

const monitoringDir = "../../docs/monitoring"

// elsewhere are metrics of others that the files below name, and their labels.
var elsewhere = map[string][]string{"node_textfile_mtime_seconds": {"file"}}

// given are labels that Prometheus itself gives to all it fetches.
var given = []string{"job", "instance"}

// exposed is what a text in the format of Prometheus has: the labels of each metric.
func exposed(t *testing.T, text string) map[string][]string {
	t.Helper()
	reader := expfmt.NewTextParser(model.LegacyValidation)
	families, err := reader.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("Prometheus does not read it: %v\n%s", err, text)
	}
	names := map[string][]string{}
	for name, family := range families {
		if family.GetHelp() == "" || strings.ToLower(family.GetType().String()) != typeOf(name) {
			t.Errorf("%s is told as a %s: %q", name, family.GetType(), family.GetHelp())
		}
		names[name] = []string{}
		for _, one := range family.GetMetric() {
			for _, label := range one.GetLabel() {
				if !slices.Contains(names[name], label.GetName()) {
					names[name] = append(names[name], label.GetName())
				}
			}
		}
	}
	return names
}

// realMetrics is what varve metrics prints of a repository that has all there is to tell of.
func realMetrics(t *testing.T) map[string][]string {
	b := newBench(t)
	b.disk("disk", 100_000, 1)
	b.write("varve/varve.yaml", `repository: DIR/repo
defaults: {schedule: "daily at 02:00"}
volumes:
  db1: {source: DIR/disk}
  root: {source: DIR/disk}
  data: {source: DIR/disk}
  gone: {source: DIR/absent}
sets: {shop: {volumes: [root, data], consistent: no}}
`)
	b.does("init DIR/repo")
	if code := run([]string{"varve", "backup", "--all"}, nil, io.Discard, io.Discard); code != 1 {
		t.Errorf("the backup ended with %d", code)
	}
	b.does("backup root --alone")
	noteDrill(t, b.path("repo"), revisionsIn(t, b.path("repo"), "db1")[0])
	var stdout bytes.Buffer
	stop := startScheduler(t)
	code := run([]string{"varve", "metrics"}, nil, &stdout, io.Discard)
	if stop(syscall.SIGTERM); code != 0 {
		t.Fatalf("metrics ended with %d", code)
	}
	return exposed(t, stdout.String())
}

// noteDrill has a revision remember a drill that it passed.
func noteDrill(t *testing.T, dir string, rev repository.Revision) {
	t.Helper()
	tree, err := durable.OpenTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	repo, err := repository.Open(tree, repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, repo)
	passed := &repository.Drill{Time: time.Now(), Outcome: repository.DrillPassed, Restore: 1}
	if err := repo.Mark(t.Context(), rev, func(info *repository.Info) { info.Drill = passed }); err != nil {
		t.Fatal(err)
	}
}

// Every metric that the rules, the dashboard and the page name is one that varve metrics
// prints, with the labels that they ask for; and the page tells of all there are.
func TestMonitoringNamesWhatThereIs(t *testing.T) {
	known := realMetrics(t)
	for _, help := range metricHelp {
		if known[help[0]] == nil {
			t.Errorf("varve metrics does not print %s here: this test is blind to it", help[0])
		}
	}
	maps.Copy(known, elsewhere)
	for where, expr := range expressions(t) {
		for _, problem := range wrongIn(expr, known) {
			t.Errorf("%s: %s: %s", where, expr, problem)
		}
	}
	page, err := os.ReadFile(filepath.Join(monitoringDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\bvarve_[a-z_]+`).FindAllString(string(page), -1)
	for _, name := range named {
		if known[name] == nil {
			t.Errorf("README.md tells of %s, which there is not", name)
		}
	}
	for _, help := range metricHelp {
		if !slices.Contains(named, help[0]) {
			t.Errorf("README.md does not tell of %s", help[0])
		}
	}
	for _, alert := range readRules(t) {
		if !strings.Contains(string(page), "`"+alert.Alert+"`") {
			t.Errorf("README.md does not tell of the alert %s", alert.Alert)
		}
	}
}

// The guard above notices what it is for.
func TestWrongExpressionsAreNoticed(t *testing.T) {
	known := map[string][]string{"varve_trouble": {"volume", "kind"}, "varve_build_info": {"version"}}
	for expr, want := range map[string]string{
		`varve_trouble{kind="live-source"} > 0`:                       "",
		`sum by (instance, kind) (varve_trouble)`:                     "",
		`absent(varve_build_info)`:                                    "",
		`varve_troubles > 0`:                                          "varve_troubles is no metric",
		`varve_trouble{sort="x"} > 0`:                                 "varve_trouble has no label sort",
		`sum by (sort) (varve_trouble)`:                               "nothing has the label sort",
		`varve_trouble >`:                                             "unexpected end of input",
		`increase(varve_trouble)`:                                     "expected type range vector",
		`{kind="x"}`:                                                  "names no metric",
		`varve_trouble{kind="a"} > 0 and varve_trouble{kind="b"} > 0`: "its sides are never of one kind",
		`varve_trouble{kind="a"} > 0 and ignoring (kind) varve_trouble{kind="b"} > 0`: "",
		`varve_trouble{kind="a"} > 0 and on (volume) varve_trouble{kind="b"} > 0`:     "",
		`varve_trouble{kind="a"} > 0 or varve_trouble{kind="b"} > 0`:                  "",
		`sum(varve_trouble{kind="a"}) / sum(varve_trouble{kind="b"})`:                 "",
		`max without (volume) (varve_trouble{volume="a"})`:                            "",
	} {
		got := strings.Join(wrongIn(expr, known), "; ")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

// wrongIn tells what is wrong with an expression where these metrics are known.
func wrongIn(expr string, known map[string][]string) (problems []string) {
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return []string{err.Error()}
	}
	has := slices.Clone(given)
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		if s, is := node.(*parser.VectorSelector); is {
			has = append(has, known[s.Name]...)
		}
		return nil
	})
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.VectorSelector:
			switch {
			case node.Name == "":
				problems = append(problems, "it names no metric")
			case known[node.Name] == nil:
				problems = append(problems, node.Name+" is no metric")
			default:
				for _, m := range node.LabelMatchers {
					if m.Name != model.MetricNameLabel && !slices.Contains(given, m.Name) && !slices.Contains(known[node.Name], m.Name) {
						problems = append(problems, node.Name+" has no label "+m.Name)
					}
				}
			}
		case *parser.BinaryExpr:
			problems = append(problems, neverMatch(node)...)
		case *parser.AggregateExpr:
			for _, label := range node.Grouping {
				if !slices.Contains(has, label) {
					problems = append(problems, "nothing has the label "+label)
				}
			}
		}
		return nil
	})
	return problems
}

// neverMatch tells of labels that keep any two sides of an operator from being of the same thing.
func neverMatch(b *parser.BinaryExpr) (problems []string) {
	match := b.VectorMatching
	if match == nil || b.Op == parser.LOR || b.Op == parser.LUNLESS {
		return nil
	}
	left, right := fixedLabels(b.LHS), fixedLabels(b.RHS)
	for _, label := range slices.Sorted(maps.Keys(left)) {
		if other, is := right[label]; is && other != left[label] && match.On == slices.Contains(match.MatchingLabels, label) {
			problems = append(problems, "its sides are never of one "+label)
		}
	}
	return problems
}

// fixedLabels are labels that all of an expression has with one value.
func fixedLabels(e parser.Expr) map[string]string {
	fixed := map[string]string{}
	parser.Inspect(e, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.AggregateExpr:
			return errors.New("what is below has not its labels any more")
		case *parser.VectorSelector:
			for _, m := range node.LabelMatchers {
				if m.Type == prom.MatchEqual && m.Name != model.MetricNameLabel {
					fixed[m.Name] = m.Value
				}
			}
		}
		return nil
	})
	return fixed
}

// expressions are those of the rules and of the dashboard, by where they stand.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, rule := range readRules(t) {
		all["rule "+rule.Alert] = rule.Expr
	}
	d := readDashboard(t)
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			all["panel "+p.Title+" "+target.RefID] = strings.NewReplacer("$instance", ".*", "$volume", ".*").Replace(target.Expr)
		}
	}
	for _, v := range d.Templating.List {
		if query, is := v.Query.(map[string]any); is {
			m := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(query["query"].(string))
			if m == nil {
				t.Fatalf("variable %s: cannot make anything of %q", v.Name, query["query"])
			}
			all["variable "+v.Name] = "count by (" + m[2] + ") (" + strings.ReplaceAll(m[1], "$instance", ".*") + ")"
		}
	}
	return all
}

// rule is an alert as Prometheus reads it.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func readRules(t *testing.T) (all []rule) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(monitoringDir, "prometheus-rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// Each alert is one that Alertmanager can send on, and its text names labels that its expression has.
func TestRules(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range readRules(t) {
		if r.Alert == "" || seen[r.Alert] || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%+v is not whole, or there twice", r)
		}
		seen[r.Alert] = true
		if !slices.Contains([]string{"critical", "warning"}, r.Labels["severity"]) {
			t.Errorf("%s has the severity %q", r.Alert, r.Labels["severity"])
		}
		if _, err := model.ParseDuration(r.For); err != nil {
			t.Errorf("%s: %v", r.Alert, err)
		}
	}
	if len(seen) < 8 {
		t.Errorf("there are %d alerts only", len(seen))
	}
}

// dashboard is what of Grafana's the tests look at.
type dashboard struct {
	Title         string
	UID           string
	SchemaVersion int
	Panels        []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct {
			RefID string
			Expr  string
		}
	}
	Templating struct {
		List []struct {
			Name  string
			Query any
		}
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(monitoringDir, "grafana-dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// The panels have a place each, within Grafana's 24 columns, and no two share one.
func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 30 || len(d.Panels) < 10 {
		t.Errorf("the dashboard is not whole: %+v", d)
	}
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range d.Panels {
		if p.Title == "" || ids[p.ID] || len(p.Targets) == 0 {
			t.Errorf("panel %d %q is not whole, or there twice", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q is where %q is, or too far to the right", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// What Icinga and Nagios are told to call is what varve check understands.
func TestPluginCommands(t *testing.T) {
	b := newBench(t)
	b.disk("disk", 100_000, 1)
	b.does("init DIR/repo")
	b.does("backup db1 DIR/disk")
	nagios, err := os.ReadFile(filepath.Join(monitoringDir, "nagios.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	macros := strings.NewReplacer("'", "", "$ARG1$", "db1", "$ARG2$", "26h", "$ARG3$", "50h")
	lines := regexp.MustCompile(`(?m)^ *command_line +/usr/bin/(.*)$`).FindAllStringSubmatch(string(nagios), -1)
	if len(lines) != 2 || strings.Count(string(nagios), "{") != strings.Count(string(nagios), "}") {
		t.Errorf("nagios.cfg has %d commands", len(lines))
	}
	for _, line := range lines {
		b.checks(strings.Fields(macros.Replace(line[1])))
	}
	icinga, err := os.ReadFile(filepath.Join(monitoringDir, "icinga2.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(icinga), "{") != strings.Count(string(icinga), "}") || !strings.Contains(string(icinga), `command = [ "/usr/bin/varve", "check" ]`) {
		t.Error("icinga2.conf has no command, or does not end")
	}
	values := map[string]string{
		"varve_repository": b.path("repo"), "varve_config": b.path("empty.yaml"), "varve_volume": "db1", "varve_warning": "26h", "varve_critical": "50h",
	}
	b.write("empty.yaml", "{}\n")
	words := []string{"varve", "check"}
	for _, m := range regexp.MustCompile(`"(--\w+)" = \{\s+value = "\$(\w+)\$"`).FindAllStringSubmatch(string(icinga), -1) {
		words = append(words, m[1], values[m[2]])
		delete(values, m[2])
	}
	if len(values) > 0 {
		t.Errorf("icinga2.conf does not use %v", values)
	}
	b.checks(words)
}

// checks runs a command of monitoring, which is to say that all is well.
func (b *bench) checks(words []string) {
	b.t.Helper()
	var stdout bytes.Buffer
	if code := run(words, nil, &stdout, io.Discard); code != pluginOK || !strings.HasPrefix(stdout.String(), "VARVE OK - ") {
		b.t.Errorf("%q ended with %d: %s", words, code, &stdout)
	}
}

// What stands in the labels comes back as it was, whatever volumes are called.
func TestPrometheusReadsTheMetrics(t *testing.T) {
	t.Parallel()
	names := []revision.Name{`a"b`, `back\slash`, `x}y{z`, "vms/ü", `n,o="p"`, `\n`}
	in := status.Input{Now: statusNow, Total: math.MaxInt64, Available: 1 << 53}
	for _, name := range names {
		in.Volumes = append(in.Volumes, statusVolume(name, statusRevision(time.Hour, repository.Suspect)))
	}
	m := new(metrics)
	m.collect(status.Judge(in), in)
	m.count(map[string]int64{repository.ResultOK: 3})
	reader := expfmt.NewTextParser(model.LegacyValidation)
	families, err := reader.TextToMetricFamilies(strings.NewReader(m.text()))
	if err != nil {
		t.Fatalf("%v\n%s", err, m.text())
	}
	read := 0
	for name, family := range families {
		for _, one := range family.GetMetric() {
			values := map[string]string{}
			for _, label := range one.GetLabel() {
				values[label.GetName()] = label.GetValue()
			}
			value := one.GetGauge().GetValue()
			if family.GetType().String() == "COUNTER" {
				value = one.GetCounter().GetValue()
			}
			if !slices.ContainsFunc(m.Metrics, func(is metric) bool { return is.Name == name && is.Value == value && maps.Equal(is.Labels, values) }) {
				t.Errorf("read %s%v %v, which was not written", name, values, value)
			}
			read++
		}
	}
	if read != len(m.Metrics) {
		t.Errorf("%d metrics were read, %d written", read, len(m.Metrics))
	}
}
