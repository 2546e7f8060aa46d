// SPDX-License-Identifier: Apache-2.0

package config

import (
	"reflect"
	"strings"
	"unicode"
)

// environment lets environment variables give what should not stand in a file: each Secret has one, named by its path
// (nwu.certificate.key is N3IWF_NWU_CERTIFICATE_KEY). It takes precedence over the file.
func (c *Config) environment(lookup func(string) (string, bool)) {
	secrets(reflect.ValueOf(c).Elem(), "N3IWF", func(name string, s *Secret) {
		if text, ok := lookup(name); ok && text != "" {
			*s = Secret(text)
		}
	})
}

func secrets(v reflect.Value, name string, visit func(string, *Secret)) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		key := field.Tag.Get("yaml")
		if key == "" || key == "-" {
			continue
		}
		path := name + "_" + snake(key)
		switch p := v.Field(i).Addr().Interface().(type) {
		case *Secret:
			visit(path, p)
		default:
			if v.Field(i).Kind() == reflect.Struct {
				secrets(v.Field(i), path, visit)
			}
		}
	}
}

// snake turns clientCA into CLIENT_CA.
func snake(key string) string {
	var b strings.Builder
	lower := false
	for _, r := range key {
		if unicode.IsUpper(r) && lower {
			b.WriteByte('_')
		}
		lower = unicode.IsLower(r)
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}
