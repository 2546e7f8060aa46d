// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"strings"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// networkAttachment is the resource of the Kubernetes Network Plumbing Working Group.
type networkAttachment struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Config string `json:"config"`
	} `json:"spec"`
}

var strict = serializer.NewCodecFactory(known(), serializer.EnableStrict).UniversalDeserializer()

func known() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, certmanager.AddToScheme, monitoring.AddToScheme} {
		if err := add(s); err != nil {
			panic(err) // a scheme that cannot be built at all
		}
	}
	return s
}

// decode reads a manifest; an unknown field, kind or wrong type is an error.
func decode(manifest string) (objects []any, err error) {
	for _, text := range strings.Split(manifest, "\n---") {
		if strings.TrimSpace(stripComments(text)) == "" {
			continue
		}
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(text), &kind); err != nil {
			return nil, err
		}
		if kind.Kind == "NetworkAttachmentDefinition" {
			n := &networkAttachment{}
			if err := yaml.UnmarshalStrict([]byte(text), n); err != nil {
				return nil, fmt.Errorf("%s: %w", kind.Kind, err)
			}
			var plugin map[string]any
			if err := json.Unmarshal([]byte(n.Spec.Config), &plugin); err != nil || plugin["cniVersion"] == nil || plugin["type"] == nil {
				return nil, fmt.Errorf("%s %s: no CNI configuration: %w", kind.Kind, n.Name, err)
			}
			objects = append(objects, n)
			continue
		}
		o, _, err := strict.Decode([]byte(text), nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind.Kind, err)
		}
		objects = append(objects, o)
	}
	return objects, nil
}

func stripComments(text string) string {
	var out strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") && line != "---" {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

// find gives the first object of a type.
func find[T any](objects []any) (T, error) {
	for _, o := range objects {
		if t, ok := o.(T); ok {
			return t, nil
		}
	}
	var none T
	return none, fmt.Errorf("no %T is rendered", none)
}
