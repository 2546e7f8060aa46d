// SPDX-License-Identifier: Apache-2.0

package config

import "reflect"

// What a change of a key takes, as the struct tag reload says of a field and, unless they say it themselves, of all that are below it.
const (
	// ReloadNow: a reload, and it holds at once, also for UEs that are connected.
	ReloadNow = "now"
	// ReloadNew: a reload, and it holds for what begins after it: UEs, PDU sessions, SAs, associations, timers.
	ReloadNew = "new"
	// ReloadRestart: a restart. It is what fields without the tag mean.
	ReloadRestart = "restart"
)

// ReloadOf is what a change of a field takes, below one of which above is said.
func ReloadOf(field reflect.StructField, above string) string {
	if own := field.Tag.Get("reload"); own != "" {
		return own
	}
	return above
}

// Reloaded is old with the values of next for every key that can change without a restart. It shares memory with both.
func Reloaded(old, next *Config) *Config {
	c := *old
	take(reflect.ValueOf(&c).Elem(), reflect.ValueOf(next).Elem(), ReloadRestart)
	return &c
}

func take(to, from reflect.Value, above string) {
	for i := range to.NumField() {
		field := to.Type().Field(i)
		name := field.Tag.Get("yaml")
		if name == "" || name == "-" {
			continue
		}
		kind := ReloadOf(field, above)
		if to.Field(i).Kind() == reflect.Struct && len(keysOf(field.Type)) > 0 {
			take(to.Field(i), from.Field(i), kind)
		} else if kind != ReloadRestart {
			to.Field(i).Set(from.Field(i))
		}
	}
}
