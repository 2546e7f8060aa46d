// SPDX-License-Identifier: Apache-2.0

package reference

import (
	"strings"

	"github.com/open-n3iwf/n3iwf/config"
)

// Reloadable lists the paths of all keys whose change takes no restart, one a line; of a list of mappings that of the list. The Helm chart restarts pods
// for the others only.
func Reloadable(keys []Key) []byte {
	var b strings.Builder
	b.WriteString("# SPDX-License-Identifier: Apache-2.0\n# Made by go generate ./config/... from the types of package config. Do not edit.\n")
	reloadable(&b, keys)
	return []byte(b.String())
}

func reloadable(b *strings.Builder, keys []Key) {
	for _, k := range keys {
		switch {
		case len(k.Keys) == 0 && reloads(k.Reload), k.List && len(k.Keys) > 0 && !takesRestart(k.Keys):
			b.WriteString(k.Path + "\n")
		case !k.List:
			reloadable(b, k.Keys)
		}
	}
}

// takesRestart tells whether one of the keys, or of those below, takes more than a reload.
func takesRestart(keys []Key) bool {
	for _, k := range keys {
		if k.Reload != "" && !reloads(k.Reload) || takesRestart(k.Keys) {
			return true
		}
	}
	return false
}

func reloads(kind string) bool { return kind == config.ReloadNow || kind == config.ReloadNew }
