// SPDX-License-Identifier: Apache-2.0

package reference

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
)

const pageHead = `<!-- SPDX-License-Identifier: Apache-2.0 -->
<!-- Made by go generate ./config/... from the types of package config. Do not edit. -->
# Configuration reference

Every key of the configuration file. [config/n3iwf.example.yaml](../config/n3iwf.example.yaml) shows the same as a file, and
[config/n3iwf.schema.json](../config/n3iwf.schema.json) tells it to editors. Durations carry a unit (` + "`500ms`, `30s`, `10m`, `24h`" + `); file names are
relative to the configuration file. ` + "`n3iwf check -c FILE`" + ` finds every mistake with its file, line and key, and ` + "`n3iwf check --show`" + ` prints what is in effect.

What a change of a key takes stands under *change*. A reload is a SIGHUP, or a changed file (they are looked at every 5 s); no UE is dropped by it.

- **reload**: it holds at once, also for UEs that are connected.
- **reload, new**: it holds for what begins after the reload: UEs, PDU sessions, SAs, associations with AMFs, timers. What is there keeps what it has.
- **take-over**: it holds in a process that [takes over](upgrade.md#one-n3iwf-in-place) from the running one (SIGUSR2), with all UEs.
- **restart**: it holds with the next start, for the reason that stands with the key: others have been told the value, and could not go on with another one. UEs register anew, unless
  another node of a [cluster](upgrade.md#a-cluster-without-losing-a-ue) has them meanwhile.

A reload is taken as a whole or refused as a whole. What cannot be used (an address that is somebody else's, a certificate that has expired, a pool without
the addresses that UEs have) is in the log with file, line and key, and then nothing has changed; ` + "`n3iwf status`" + ` shows it, and the metrics
` + "`n3iwf_config_last_reload_successful` and `n3iwf_config_reloads_total{result=\"refused\"}`" + ` tell it. Keys that take more than a reload keep their former value and are named
in the log with file and line; they do not keep the others from changing.
`

// Page is the reference as Markdown: a section for each group of keys.
func Page(keys []Key) []byte {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, k := range keys {
		section(&b, k)
	}
	return []byte(b.String())
}

func section(b *strings.Builder, k Key) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n| key | value | default | change | |\n|---|---|---|---|---|\n", k.Name, k.Doc)
	rows(b, k.Keys)
}

func rows(b *strings.Builder, keys []Key) {
	for _, k := range keys {
		def := ""
		if k.Default != nil {
			def = "`" + strings.Trim(fmt.Sprint(k.Default), "[]") + "`"
		}
		path := k.Path
		if k.List {
			path += "[]"
		}
		doc := strings.ReplaceAll(k.Doc, "|", `\|`)
		if k.Because != "" {
			doc += " *Restart: " + k.Because + ".*"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", path, value(k), def, change[k.Reload], doc)
		rows(b, k.Keys)
	}
}

// change is what the page says of config.ReloadOf.
var change = map[string]string{config.ReloadNow: "reload", config.ReloadNew: "reload, new", config.ReloadTakeOver: "take-over", config.ReloadRestart: "restart"}

func value(k Key) string {
	switch {
	case k.Keys != nil:
		return ""
	case k.Choices != nil:
		return "`" + strings.Join(k.Choices, "`, `") + "`"
	case k.Low != "":
		return noun(k.Type) + ", " + k.Low + " to " + k.High
	}
	return noun(k.Type)
}

func noun(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[netip.Addr]():
		return "IP address"
	case reflect.TypeFor[netip.Prefix]():
		return "IP prefix"
	case reflect.TypeFor[config.TAC](), reflect.TypeFor[config.SD]():
		return "6 hexadecimal digits"
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "`true`, `false`"
	}
	return "number"
}
