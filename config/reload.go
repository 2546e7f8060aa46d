// SPDX-License-Identifier: Apache-2.0

package config

import (
	"reflect"
	"strings"
)

// What a change of a key takes, as the struct tag reload says of a field and, unless they say it themselves, of all that are below it.
const (
	// ReloadNow: a reload, and it holds at once, also for UEs that are connected.
	ReloadNow = "now"
	// ReloadNew: a reload, and it holds for what begins after it: UEs, PDU sessions, SAs, associations, timers.
	ReloadNew = "new"
	// ReloadTakeOver: a process that takes over from the running one, with all UEs (n3iwf run --take-over, SIGUSR2).
	ReloadTakeOver = "takeover"
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

// BecauseOf is why a change of a field takes a restart, as its struct tag because says, or that of one above.
func BecauseOf(field reflect.StructField, above string) string {
	if own := field.Tag.Get("because"); own != "" {
		return own
	}
	return above
}

// Reloaded is old with the values of next for every key that can change while the process runs. It shares memory with both.
func Reloaded(old, next *Config) *Config {
	c := *old
	take(reflect.ValueOf(&c).Elem(), reflect.ValueOf(next).Elem(), ReloadRestart)
	// The addresses of NAS and user plane stay, as UEs have them in their SAs; of a family that no UE has, they come and go with its pools.
	to, from := &c.NWu, &next.NWu
	if len(old.NWu.UEPools.IPv4) == 0 || len(from.UEPools.IPv4) == 0 {
		to.NAS.IPv4, to.UserPlane.IPv4 = from.NAS.IPv4, from.UserPlane.IPv4
	}
	if len(old.NWu.UEPools.IPv6) == 0 || len(from.UEPools.IPv6) == 0 {
		to.NAS.IPv6, to.UserPlane.IPv6 = from.NAS.IPv6, from.UserPlane.IPv6
	}
	return &c
}

// ReloadOfKey is what a change of a key takes, as Diff names it: ReloadNow, ReloadNew, ReloadTakeOver, or ReloadRestart, also for one that does not exist.
func ReloadOfKey(key string) string {
	t, kind := reflect.TypeFor[Config](), ReloadRestart
names:
	for name := range strings.SplitSeq(key, ".") {
		name, _, _ = strings.Cut(name, "[")
		if t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return ReloadRestart
		}
		for i := range t.NumField() {
			if f := t.Field(i); f.Tag.Get("yaml") == name {
				t, kind = f.Type, ReloadOf(f, kind)
				continue names
			}
		}
		return ReloadRestart
	}
	return kind
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
		} else if kind == ReloadNow || kind == ReloadNew {
			to.Field(i).Set(from.Field(i))
		}
	}
}
