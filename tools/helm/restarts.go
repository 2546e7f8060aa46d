// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	core "k8s.io/api/core/v1"
)

// reloads are changes of the configuration that the N3IWF takes over by itself from the mounted file; needRestart are others.
var (
	reloads = map[string]object{
		"a limit":             {"limits": object{"maxUEs": 7}},
		"the log level":       {"log": object{"level": "debug"}},
		"AMFs":                {"n2": object{"amfs": []any{object{"name": "another"}}}},
		"a policy of moves":   {"nwu": object{"mobike": object{"movesPerMinute": 3}}},
		"a lifetime":          {"nwu": object{"esp": object{"lifetime": object{"soft": "7h", "hard": "9h"}}}},
		"a tracking area":     {"n3iwf": object{"supportedTAs": []any{object{"tac": "000009", "plmns": []any{object{"plmn": object{"mcc": "208", "mnc": "93"}}}}}}},
		"nothing but nulls":   {"nwu": object{"mobike": nil, "esp": nil}, "limits": nil},
		"a whole new section": {"timers": object{"inactivity": "1h"}},
		"a further pool":      {"nwu": object{"uePools": object{"ipv4": []any{"10.60.0.0/16", "10.61.0.0/16"}}}},
		"traces":              {"management": object{"traces": object{"endpoint": "http://collector:4318"}}},
	}
	needRestart = map[string]object{
		"the inner address of NAS":   {"nwu": object{"nas": object{"ipv4": "10.60.0.9"}}},
		"the N3IWF's number":         {"n3iwf": object{"globalN3IWFID": object{"id": 136}}},
		"a port beside what reloads": {"n3": object{"port": 2153}, "nwu": object{"mobike": object{"movesPerMinute": 3}}},
		"the packet workers":         {"dataPlane": object{"workers": 3}},
	}
)

// restarts tells whether an upgrade with another configuration replaces pods when it has to, and only then. The file changes in any case.
func restarts(folder string) error {
	rendered := func(config object) (template core.PodTemplateSpec, file string, err error) {
		r, err := renderRelease(folder, object{"config": config})
		if err != nil {
			return template, "", err
		}
		m, err := find[*core.ConfigMap](r.objects)
		if err != nil {
			return template, "", err
		}
		return r.set.Spec.Template, m.Data["n3iwf.yaml"], nil
	}
	before, file, err := rendered(object{})
	if err != nil {
		return err
	}
	const sum = "checksum/config"
	if before.Annotations[sum] == "" {
		return fmt.Errorf("pods have no %s", sum)
	}
	for restart, changes := range map[bool]map[string]object{false: reloads, true: needRestart} {
		for what, config := range changes {
			after, changed, err := rendered(config)
			switch {
			case err != nil:
				return fmt.Errorf("%s: %w", what, err)
			case changed == file && what != "nothing but nulls":
				return fmt.Errorf("%s is not in the file", what)
			case (after.Annotations[sum] != before.Annotations[sum]) != restart:
				return fmt.Errorf("%s: pods are replaced: %t", what, !restart)
			}
		}
	}
	return nil
}
