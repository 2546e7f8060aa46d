// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"helm.sh/helm/v3/pkg/chartutil"
)

type object = map[string]any

// option is something that values switch on and off.
type option struct {
	name    string
	on, off object
	// check looks at what is rendered with on; there tells whether something of it is rendered at all.
	check func(release) error
	there func(release) bool
}

// release is what is rendered, with what all options have to do with.
type release struct {
	objects   []any
	set       *apps.StatefulSet
	container core.Container
}

func optional[T any](check func(release, T) error) (func(release) error, func(release) bool) {
	return func(r release) error {
			t, err := find[T](r.objects)
			if err != nil {
				return err
			}
			return check(r, t)
		}, func(r release) bool {
			_, err := find[T](r.objects)
			return err == nil
		}
}

func optionsOf() []option {
	budget, budgetThere := optional(podDisruptionBudget)
	monitor, monitorThere := optional(serviceMonitor)
	network, networkThere := optional(networkPolicy)
	cert, certThere := optional(certificate)
	selfSigned, selfSignedThere := optional(selfSignedSecret)
	selfSignedOff := object{"enabled": false}
	return []option{
		{"PodDisruptionBudget", object{"podDisruptionBudget": object{"maxUnavailable": 1}}, object{"podDisruptionBudget": object{"enabled": false}}, budget, budgetThere},
		{
			"ServiceMonitor", object{"metrics": object{"port": 9999, "serviceMonitor": object{"enabled": true, "interval": "7s", "labels": object{"release": "prometheus"}}}},
			object{"metrics": object{"serviceMonitor": object{"enabled": false}}}, monitor, monitorThere,
		},
		{
			"NetworkPolicy",
			object{"networkPolicy": object{"enabled": true, "coreCIDRs": []any{"10.0.0.0/8", "2001:db8::/32"}, "metricsNamespaceSelector": object{"matchLabels": object{"name": "monitoring"}}}},
			object{"networkPolicy": object{"enabled": false}}, network, networkThere,
		},
		{
			"Certificate of cert-manager",
			object{"certificate": object{"selfSigned": selfSignedOff, "certManager": object{"enabled": true, "issuerRef": object{"name": "ca", "kind": "ClusterIssuer"}, "dnsNames": []any{"n3iwf.example.org"}}}},
			object{}, cert, certThere,
		},
		{
			"self-signed certificate", object{"certificate": object{"selfSigned": object{"dnsNames": []any{"n3iwf.example.org"}}}},
			object{"certificate": object{"selfSigned": selfSignedOff, "secretName": "mine"}}, selfSigned, selfSignedThere,
		},
		{
			"drain hook", object{"drain": object{"gracePeriodSeconds": 77}}, object{"drain": object{"enabled": false}}, drainHook,
			func(r release) bool { return r.container.Lifecycle != nil },
		},
	}
}

// options renders the chart with each option on and off.
func options(folder string) error {
	var failed []error
	for _, o := range optionsOf() {
		on, err := renderRelease(folder, o.on)
		if err == nil {
			err = errors.Join(o.check(on), probes(on))
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", o.name, err))
			continue
		}
		off, err := renderRelease(folder, o.off)
		if err == nil && o.there(off) {
			err = errors.New("it is there although it is off")
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s, off: %w", o.name, err))
		}
	}
	return errors.Join(failed...)
}

// renderRelease renders with the default values and others.
func renderRelease(folder string, values object) (release, error) {
	base, err := chartutil.ReadValuesFile(filepath.Join(folder, "values.yaml"))
	if err != nil {
		return release{}, err
	}
	objects, err := render(folder, chartutil.CoalesceTables(copied(values), base))
	if err != nil {
		return release{}, err
	}
	set, err := find[*apps.StatefulSet](objects)
	if err != nil {
		return release{}, err
	}
	return release{objects, set, set.Spec.Template.Spec.Containers[0]}, nil
}

// copied is for values that are used again: Helm writes into what it is given.
func copied(values object) object {
	c := object{}
	for k, v := range values {
		if m, ok := v.(object); ok {
			v = copied(m)
		}
		c[k] = v
	}
	return c
}

// selects tells whether a selector finds labels, and not those of another release.
func selects(s *metav1.LabelSelector, found map[string]string) error {
	selector, err := metav1.LabelSelectorAsSelector(s)
	switch {
	case err != nil:
		return err
	case selector.Empty() || !selector.Matches(labels.Set(found)):
		return fmt.Errorf("it selects %s, which %v is not", selector, found)
	}
	other := map[string]string{}
	for k, v := range found {
		other[k] = v
	}
	other["app.kubernetes.io/instance"] = "another"
	if selector.Matches(labels.Set(other)) {
		return fmt.Errorf("%s selects other releases too", selector)
	}
	return nil
}

// port gives the container's port of a name.
func (r release) port(name string, protocol core.Protocol) (int32, error) {
	for _, p := range r.container.Ports {
		if p.Name == name && p.Protocol == protocol {
			return p.ContainerPort, nil
		}
	}
	return 0, fmt.Errorf("the container has no port %s/%s", name, protocol)
}

func podDisruptionBudget(r release, p *policy.PodDisruptionBudget) error {
	if m := p.Spec.MaxUnavailable; m == nil || *m != intstr.FromInt32(1) || p.Spec.MinAvailable != nil {
		return fmt.Errorf("it lets %v go", m)
	}
	return selects(p.Spec.Selector, r.set.Spec.Template.Labels)
}

func serviceMonitor(r release, m *monitoring.ServiceMonitor) error {
	if m.Labels["release"] != "prometheus" || len(m.Spec.Endpoints) != 1 {
		return fmt.Errorf("labels %v, %d endpoints", m.Labels, len(m.Spec.Endpoints))
	}
	e := m.Spec.Endpoints[0]
	if e.Path != "/metrics" || e.Interval != "7s" {
		return fmt.Errorf("it asks for %s every %s", e.Path, e.Interval)
	}
	var wrong error
	for _, o := range r.objects {
		s, ok := o.(*core.Service)
		if !ok || selects(&m.Spec.Selector, s.Labels) != nil {
			continue
		}
		for _, p := range s.Spec.Ports {
			if p.Name != e.Port {
				continue
			}
			number, err := r.port(p.TargetPort.StrVal, core.ProtocolTCP)
			if err == nil && (number != 9999 || p.Port != 9999) {
				err = fmt.Errorf("it leads to port %d", number)
			}
			return errors.Join(err, selects(&metav1.LabelSelector{MatchLabels: s.Spec.Selector}, r.set.Spec.Template.Labels))
		}
		wrong = fmt.Errorf("Service %s has no port %s", s.Name, e.Port)
	}
	return errors.Join(errors.New("it finds no Service with its port"), wrong)
}

func networkPolicy(r release, n *networking.NetworkPolicy) error {
	if err := selects(&n.Spec.PodSelector, r.set.Spec.Template.Labels); err != nil {
		return err
	}
	if !slices.Equal(n.Spec.PolicyTypes, []networking.PolicyType{networking.PolicyTypeIngress, networking.PolicyTypeEgress}) || len(n.Spec.Egress) != 1 || len(n.Spec.Egress[0].To) > 0 {
		return errors.New("UEs may be anywhere: egress must be open")
	}
	// From whom each port takes packets; a port that is not here takes none.
	from := map[string][]networking.NetworkPolicyPeer{}
	for _, rule := range n.Spec.Ingress {
		for _, p := range rule.Ports {
			if _, err := r.port(p.Port.StrVal, *p.Protocol); err != nil {
				return err
			}
			from[p.Port.StrVal] = rule.From
		}
	}
	if len(from) != len(r.container.Ports) {
		return fmt.Errorf("it is about %d of %d ports", len(from), len(r.container.Ports))
	}
	gtpu, metrics := from["gtpu"], from["metrics"]
	switch {
	case len(from["ike"])+len(from["natt"]) > 0:
		return errors.New("UEs come from anywhere")
	case len(gtpu) != 2 || gtpu[0].IPBlock == nil || gtpu[0].IPBlock.CIDR != "10.0.0.0/8" || gtpu[1].IPBlock == nil || gtpu[1].IPBlock.CIDR != "2001:db8::/32":
		return fmt.Errorf("GTP-U comes from %v", gtpu)
	case len(metrics) != 1 || metrics[0].NamespaceSelector == nil || metrics[0].NamespaceSelector.MatchLabels["name"] != "monitoring":
		return fmt.Errorf("metrics are asked for by %v", metrics)
	}
	return nil
}

// mountedSecret is the Secret that the container reads its certificate from.
func (r release) mountedSecret() (string, error) {
	for _, v := range r.set.Spec.Template.Spec.Volumes {
		if v.Secret != nil {
			return v.Secret.SecretName, nil
		}
	}
	return "", errors.New("the pod mounts no Secret")
}

func certificate(r release, c *certmanager.Certificate) error {
	secret, err := r.mountedSecret()
	switch {
	case err != nil:
		return err
	case c.Spec.SecretName != secret:
		return fmt.Errorf("it makes the Secret %s, and the pod mounts %s", c.Spec.SecretName, secret)
	case c.Spec.IssuerRef.Name != "ca" || c.Spec.IssuerRef.Kind != "ClusterIssuer":
		return fmt.Errorf("issuer %v", c.Spec.IssuerRef)
	case !slices.Equal(c.Spec.DNSNames, []string{"n3iwf.example.org"}):
		return fmt.Errorf("names %v", c.Spec.DNSNames)
	case !slices.Contains(c.Spec.Usages, certmanager.UsageIPsecEndSystem) || !slices.Contains(c.Spec.Usages, certmanager.UsageDigitalSignature):
		return fmt.Errorf("usages %v", c.Spec.Usages)
	}
	if _, err := find[*core.Secret](r.objects); err == nil {
		return errors.New("Helm makes a Secret, too")
	}
	return nil
}

func selfSignedSecret(r release, s *core.Secret) error {
	if mounted, err := r.mountedSecret(); err != nil || mounted != s.Name {
		return fmt.Errorf("the pod mounts %s, not %s: %w", mounted, s.Name, err)
	}
	pair, err := tls.X509KeyPair(s.Data["tls.crt"], s.Data["tls.key"])
	if err != nil {
		return err
	}
	return pair.Leaf.VerifyHostname("n3iwf.example.org")
}

func drainHook(r release) error {
	l := r.container.Lifecycle
	if l == nil || l.PreStop == nil || l.PreStop.Exec == nil {
		return errors.New("no preStop")
	}
	if want := []string{"/n3iwf", "drain", "--wait", "77s"}; !slices.Equal(l.PreStop.Exec.Command, want) {
		return fmt.Errorf("it runs %v", l.PreStop.Exec.Command)
	}
	if grace := r.set.Spec.Template.Spec.TerminationGracePeriodSeconds; grace == nil || *grace <= 77 {
		return errors.New("the pod is killed before the hook and the release of its UEs have ended")
	}
	return nil
}

// probes are part of every release: alive is not ready, which takes an AMF.
func probes(r release) error {
	for path, p := range map[string][]*core.Probe{"/healthz": {r.container.StartupProbe, r.container.LivenessProbe}, "/readyz": {r.container.ReadinessProbe}} {
		for _, p := range p {
			if p == nil || p.HTTPGet == nil || p.HTTPGet.Path != path {
				return fmt.Errorf("a probe for %s is missing", path)
			}
			if _, err := r.port(p.HTTPGet.Port.StrVal, core.ProtocolTCP); err != nil {
				return err
			}
		}
	}
	return nil
}
