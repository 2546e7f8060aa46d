// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"reflect"
)

// Diff lists the paths of the keys that differ between two configurations, in the order of the types. Lists of equal length
// are compared entry by entry, others as a whole.
func Diff(a, b *Config) []string {
	return diff(reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem(), "")
}

func diff(a, b reflect.Value, path string) (changed []string) {
	if a.Kind() == reflect.Struct && len(keysOf(a.Type())) > 0 {
		for i := range a.NumField() {
			if name := a.Type().Field(i).Tag.Get("yaml"); name != "" && name != "-" {
				changed = append(changed, diff(a.Field(i), b.Field(i), join(path, name))...)
			}
		}
		return changed
	}
	if a.Kind() == reflect.Slice && a.Len() == b.Len() && a.Len() > 0 && a.Index(0).Kind() == reflect.Struct && len(keysOf(a.Index(0).Type())) > 0 {
		for i := range a.Len() {
			changed = append(changed, diff(a.Index(i), b.Index(i), fmt.Sprintf("%s[%d]", path, i))...)
		}
		return changed
	}
	if a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 {
		return nil
	}
	if !reflect.DeepEqual(a.Interface(), b.Interface()) {
		return []string{path}
	}
	return nil
}
