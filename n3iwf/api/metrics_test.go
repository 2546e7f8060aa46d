// SPDX-License-Identifier: Apache-2.0

package api

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/n3iwf"
)

// inTallies are counters that another metric has with a label.
var inTallies = map[string]bool{"Refused": true, "SessionsFailed": true, "Moves": true, "IKERefused": true}

// Whoever adds a counter decides how it is shown.
func TestEveryCounterIsAMetric(t *testing.T) {
	names := map[string]bool{}
	of := reflect.TypeFor[n3iwf.Counters]()
	for i := range of.NumField() {
		field := of.Field(i)
		d, ok := counted[field.Name]
		if field.Type.PkgPath() != "sync/atomic" {
			continue
		}
		require.True(t, ok != inTallies[field.Name], "add n3iwf.Counters.%s to the metrics", field.Name)
		require.False(t, names[d.name] && ok, "%s twice", d.name)
		names[d.name] = true
	}
}
