// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"helm.sh/helm/v3/pkg/chartutil"
)

// configuration lets the N3IWF itself check the rendered file. The certificate is not there to be read, which is the only complaint
// that counts for nothing.
func configuration(program string, objects []any) error {
	m, err := find[*core.ConfigMap](objects)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "helm-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "n3iwf.yaml")
	if err := os.WriteFile(file, []byte(m.Data["n3iwf.yaml"]), 0o600); err != nil {
		return err
	}
	out, err := exec.Command(program, "check", "-c", file).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return err // it did not run
	}
	var wrong []error
	for line := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		about := strings.TrimPrefix(line, file+":")
		if about != line && !strings.Contains(about, " nwu.certificate.") && !strings.Contains(line, " is good") {
			wrong = append(wrong, errors.New(about))
		}
	}
	return errors.Join(wrong...)
}

// privileges checks what each way to attach promises.
func privileges(way string, objects []any) error {
	s, err := find[*apps.StatefulSet](objects)
	if err != nil {
		return err
	}
	pod, c := s.Spec.Template.Spec, s.Spec.Template.Spec.Containers[0]
	sc := c.SecurityContext
	var wrong []error
	want := func(ok bool, what string) {
		if !ok {
			wrong = append(wrong, errors.New(what))
		}
	}
	isTrue := func(b *bool) bool { return b != nil && *b }
	want(!isTrue(sc.Privileged), "it is privileged")
	want(!isTrue(sc.AllowPrivilegeEscalation) && sc.AllowPrivilegeEscalation != nil, "it may gain privileges")
	want(isTrue(sc.ReadOnlyRootFilesystem), "its root file system can be written")
	want(slices.Equal(sc.Capabilities.Drop, []core.Capability{"ALL"}), "it does not drop all capabilities")
	want(pod.AutomountServiceAccountToken != nil && !*pod.AutomountServiceAccountToken, "it has a token of the API server")
	want(c.LivenessProbe != nil && c.ReadinessProbe != nil && c.StartupProbe != nil, "a probe is missing")
	want(c.Lifecycle != nil && c.Lifecycle.PreStop != nil, "no drain hook")
	if way == "host" {
		want(pod.HostNetwork, "not on the node's network")
		for _, add := range sc.Capabilities.Add {
			want(slices.Contains([]core.Capability{"NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW"}, add), fmt.Sprintf("it gets %s", add))
		}
	} else {
		want(!pod.HostNetwork, "on the node's network")
		want(len(sc.Capabilities.Add) == 0, "it gets capabilities")
		want(isTrue(pod.SecurityContext.RunAsNonRoot), "it may run as root")
	}
	annotation := s.Spec.Template.Annotations["k8s.v1.cni.cncf.io/networks"]
	want((annotation != "") == (way == "multus"), "networks of Multus")
	return errors.Join(wrong...)
}

// upgrade renders the chart with the values of the last release, as helm upgrade --reuse-values does, and compares what a
// StatefulSet cannot change.
func upgrade(folder, previous string) error {
	values, err := chartutil.ReadValuesFile(previous)
	if err != nil {
		return err
	}
	objects, err := render(folder, values)
	if err != nil {
		return fmt.Errorf("the values of the last release are not taken any more: %w", err)
	}
	now, err := find[*apps.StatefulSet](objects)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(previous), "previous-statefulset.yaml"))
	if err != nil {
		return err
	}
	before := &apps.StatefulSet{}
	if err := yaml.UnmarshalStrict(text, before); err != nil {
		return err
	}
	for what, pair := range map[string][2]any{
		"metadata.name":            {before.Name, now.Name},
		"spec.selector":            {before.Spec.Selector, now.Spec.Selector},
		"spec.serviceName":         {before.Spec.ServiceName, now.Spec.ServiceName},
		"spec.podManagementPolicy": {before.Spec.PodManagementPolicy, now.Spec.PodManagementPolicy},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			return fmt.Errorf("%s of the StatefulSet changes from %v to %v, which Kubernetes refuses", what, pair[0], pair[1])
		}
	}
	return nil
}
