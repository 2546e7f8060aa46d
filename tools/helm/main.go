// SPDX-License-Identifier: Apache-2.0

// Command helm checks the chart of deploy/helm as a cluster would, without one: lint, the values' schema, every template
// rendered for each way to attach and decoded strictly into the Kubernetes API types, the rendered configuration read by the
// N3IWF's own reader, what each way promises about privileges, and an upgrade from the values of the last release.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
)

func main() {
	chart := flag.String("chart", "../../deploy/helm/n3iwf", "`FOLDER` of the chart")
	previous := flag.String("previous", "../../deploy/helm/previous-values.yaml", "values `FILE` of the last release")
	program := flag.String("n3iwf", "../../bin/n3iwf", "the N3IWF, which checks the rendered configurations")
	flag.Parse()
	if err := run(*chart, *previous, *program); err != nil {
		fmt.Fprintln(os.Stderr, "helm:", err)
		os.Exit(1)
	}
}

// ways are the three ways to attach, each with the values that make heads of its options.
var ways = []string{"pod", "multus", "host"}

func run(folder, previous, program string) error {
	var failed []error
	note := func(what string, err error) {
		if err == nil {
			fmt.Printf("ok    %s\n", what)
			return
		}
		fmt.Printf("FAIL  %s: %v\n", what, err)
		failed = append(failed, fmt.Errorf("%s: %w", what, err))
	}
	for _, way := range ways {
		values, err := chartutil.ReadValuesFile(filepath.Join(folder, "ci", way+"-values.yaml"))
		if err != nil {
			return err
		}
		note(way+": lint", lint(folder, values))
		objects, err := render(folder, values)
		note(way+": rendered and decoded strictly", err)
		if err != nil {
			continue
		}
		note(way+": configuration", configuration(program, objects))
		note(way+": privileges", privileges(way, objects))
	}
	note("defaults: lint", lint(folder, map[string]any{}))
	note("schema refuses what is wrong", refuses(folder))
	note("what values switch on and off", options(folder))
	note("what restarts pods", restarts(folder))
	note("upgrade from the last release", upgrade(folder, previous))
	return errors.Join(failed...)
}

func lint(folder string, values map[string]any) error {
	l := action.NewLint()
	l.Strict = true
	result := l.Run([]string{folder}, values)
	errs := result.Errors
	for _, m := range result.Messages {
		// An icon is a matter of taste.
		if m.Severity > 1 && !strings.Contains(m.Error(), "icon is recommended") {
			errs = append(errs, m.Err)
		}
	}
	return errors.Join(errs...)
}

// wrong are values that the schema must refuse.
var wrong = map[string]map[string]any{
	"a way that does not exist": {"attach": "bridge"},
	"a misspelt key":            {"replicas": 2},
	"a misspelt section":        {"config": map[string]any{"nwuu": map[string]any{}}},
	"privileges":                {"host": map[string]any{"capabilities": []any{"SYS_ADMIN"}}},
	"a port":                    {"metrics": map[string]any{"port": 0}},
	"a node port":               {"service": map[string]any{"nodePorts": map[string]any{"ike": 500}}},
	"two certificates":          {"certificate": map[string]any{"secretName": "x", "selfSigned": map[string]any{"enabled": true}}},
	"no certificate":            {"certificate": map[string]any{"selfSigned": map[string]any{"enabled": false}}},
}

func refuses(folder string) error {
	for what, values := range wrong {
		if _, err := render(folder, values); err == nil {
			return fmt.Errorf("it takes %s", what)
		}
	}
	return nil
}

// render gives the objects of a release with the values.
func render(folder string, values map[string]any) ([]any, error) {
	c, err := loader.Load(folder)
	if err != nil {
		return nil, err
	}
	install := action.NewInstall(&action.Configuration{})
	install.ClientOnly, install.DryRun, install.ReleaseName, install.Namespace = true, true, "lab", "core"
	install.KubeVersion = &chartutil.KubeVersion{Version: "v1.30.0", Major: "1", Minor: "30"}
	release, err := install.Run(c, values)
	if err != nil {
		return nil, err
	}
	return decode(release.Manifest)
}
