// SPDX-License-Identifier: Apache-2.0

package reference

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strconv"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
)

// Dialect and ID of the schema.
const (
	dialect = "https://json-schema.org/draft/2020-12/schema"
	title   = "N3IWF configuration"
)

// schema is the part of JSON Schema 2020-12 that is used here.
type schema struct {
	Schema      string       `json:"$schema,omitempty"`
	Title       string       `json:"title,omitempty"`
	Description string       `json:"description,omitempty"`
	Type        any          `json:"type,omitempty"`
	Properties  *properties  `json:"properties,omitempty"`
	Additional  *bool        `json:"additionalProperties,omitempty"`
	Items       *schema      `json:"items,omitempty"`
	Enum        []string     `json:"enum,omitempty"`
	Minimum     *json.Number `json:"minimum,omitempty"`
	Maximum     *json.Number `json:"maximum,omitempty"`
	Pattern     string       `json:"pattern,omitempty"`
	Format      string       `json:"format,omitempty"`
	Default     any          `json:"default,omitempty"`
	WriteOnly   bool         `json:"writeOnly,omitempty"`
	AnyOf       []*schema    `json:"anyOf,omitempty"`
}

// properties keeps the order of the keys, which encoding/json's maps lose.
type properties struct {
	names []string
	of    map[string]*schema
}

func (p *properties) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, name := range p.names {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendQuote(out, name)
		out = append(out, ':')
		value, err := json.Marshal(p.of[name])
		if err != nil {
			return nil, err
		}
		out = append(out, value...)
	}
	return append(out, '}'), nil
}

// Schema is the JSON Schema of the configuration file.
func Schema(keys []Key) ([]byte, error) {
	root := object(keys)
	root.Schema, root.Title = dialect, title
	root.Description = "Every key of the configuration file. `n3iwf check` finds more: what several values must fulfil together."
	text, err := json.MarshalIndent(root, "", "  ")
	return append(text, '\n'), err
}

func object(keys []Key) *schema {
	no := false
	s := &schema{Type: "object", Additional: &no, Properties: &properties{of: map[string]*schema{}}}
	for _, k := range keys {
		s.Properties.names = append(s.Properties.names, k.Name)
		s.Properties.of[k.Name] = property(k)
	}
	return s
}

func property(k Key) *schema {
	var s *schema
	if k.Keys != nil {
		s = object(k.Keys)
	} else {
		s = scalar(k)
	}
	if k.List {
		s = &schema{Type: "array", Items: s}
	}
	s.Description, s.Default = k.Doc, k.Default
	return s
}

const durationPattern = `^(0|([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+)$`

func scalar(k Key) *schema {
	switch k.Type {
	case reflect.TypeFor[time.Duration]():
		return &schema{Type: []string{"string", "integer"}, Pattern: durationPattern}
	case reflect.TypeFor[netip.Addr]():
		return &schema{AnyOf: []*schema{{Type: "string", Format: "ipv4"}, {Type: "string", Format: "ipv6"}}}
	case reflect.TypeFor[netip.Prefix]():
		return &schema{Type: "string", Pattern: `^[0-9a-fA-F.:]+/[0-9]{1,3}$`}
	case reflect.TypeFor[config.TAC](), reflect.TypeFor[config.SD]():
		return &schema{Type: []string{"string", "integer"}}
	case reflect.TypeFor[config.Secret]():
		return &schema{Type: "string", WriteOnly: true}
	}
	switch k.Type.Kind() {
	case reflect.String:
		if k.Choices != nil {
			return &schema{Type: "string", Enum: k.Choices}
		}
		if k.Name == "mcc" || k.Name == "mnc" {
			return &schema{Type: "string", Pattern: "^[0-9]{2,3}$"}
		}
		return &schema{Type: "string"}
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Float64:
		return bounded(&schema{Type: "number"}, k)
	}
	return bounded(&schema{Type: "integer"}, k)
}

func bounded(s *schema, k Key) *schema {
	if k.Low != "" {
		low, high := json.Number(k.Low), json.Number(k.High)
		s.Minimum, s.Maximum = &low, &high
	}
	return s
}
