// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// rules is a file of alert rules.
type rules struct {
	Groups []struct {
		Name     string          `yaml:"name"`
		Interval *model.Duration `yaml:"interval"`
		Rules    []struct {
			Alert       string            `yaml:"alert"`
			Expr        string            `yaml:"expr"`
			For         model.Duration    `yaml:"for"`
			Labels      map[string]string `yaml:"labels"`
			Annotations map[string]string `yaml:"annotations"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

// metrics are the names and labels of the N3IWF's metrics, as its source registers them.
func metrics(root string) (map[string]bool, error) {
	text, err := os.ReadFile(filepath.Join(root, "n3iwf/api/metrics.go"))
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`"(n3iwf_[a-z0-9_]+)"`).FindAllStringSubmatch(string(text), -1) {
		names[m[1]] = true
	}
	if len(names) < 30 {
		return nil, errors.New("the metrics were not found in their source")
	}
	return names, nil
}

func alerts(root string) error {
	names, err := metrics(root)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(root, "deploy/grafana/alerts.yaml"))
	if err != nil {
		return err
	}
	defer f.Close()
	var file rules
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			switch {
			case seen[r.Alert] || !model.LabelName(r.Alert).IsValid():
				return fmt.Errorf("alert %q: its name is there twice, or is none", r.Alert)
			case r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["action"] == "":
				return fmt.Errorf("alert %s: severity, summary or action is missing", r.Alert)
			}
			seen[r.Alert] = true
			if err := expression(r.Expr, names); err != nil {
				return fmt.Errorf("alert %s: %w", r.Alert, err)
			}
		}
	}
	if len(seen) < 5 {
		return fmt.Errorf("only %d alerts", len(seen))
	}
	return nil
}

func dashboard(root string) error {
	names, err := metrics(root)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(root, "deploy/grafana/dashboard.json"))
	if err != nil {
		return err
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		return err
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			if err := expression(strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*").Replace(target.Expr), names); err != nil {
				return fmt.Errorf("panel %q: %w", p.Title, err)
			}
		}
	}
	return nil
}

var (
	suffix = regexp.MustCompile(`_(bucket|count|sum)$`)
	// process are of the client library.
	process = []string{"process_resident_memory_bytes", "process_cpu_seconds_total"}
)

// expression parses PromQL, and looks that each metric exists and that counters are asked for their rate.
func expression(text string, names map[string]bool) error {
	e, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		return err
	}
	var wrong error
	parser.Inspect(e, func(n parser.Node, path []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		if !names[v.Name] && !names[suffix.ReplaceAllString(v.Name, "")] && !slices.Contains(process, v.Name) {
			wrong = errors.Join(wrong, fmt.Errorf("%s: no such metric", v.Name))
		}
		for _, m := range v.LabelMatchers {
			if m.Name != labels.MetricName && !slices.Contains([]string{"instance", "reason", "cause", "kind", "result", "direction", "procedure", "upf"}, m.Name) {
				wrong = errors.Join(wrong, fmt.Errorf("%s: no metric has the label %s", v.Name, m.Name))
			}
		}
		ranged := slices.ContainsFunc(path, func(p parser.Node) bool { _, ok := p.(*parser.MatrixSelector); return ok })
		if strings.HasSuffix(v.Name, "_total") != ranged && !strings.HasSuffix(v.Name, "_bucket") {
			wrong = errors.Join(wrong, fmt.Errorf("%s: a counter is asked for its rate, and nothing else is", v.Name))
		}
		return nil
	})
	return wrong
}

// refuses shows that the checks can fail.
func refuses() error {
	names := map[string]bool{"n3iwf_ues": true, "n3iwf_moves_total": true}
	for _, text := range []string{"sum(n3iwf_ues", "n3iwf_eus > 1", "n3iwf_moves_total > 1", `n3iwf_ues{supi="1"}`, "rate(n3iwf_moves_total[5x])"} {
		if expression(text, names) == nil {
			return fmt.Errorf("%s passes", text)
		}
	}
	return expression("rate(n3iwf_moves_total[5m]) > n3iwf_ues", names)
}
