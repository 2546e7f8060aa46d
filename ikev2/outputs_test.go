// SPDX-License-Identifier: Apache-2.0

package ikev2_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// TestOutputs: what is asked for while something is carried out comes after it, and a panic leaves the queue fit for use.
func TestOutputs(t *testing.T) {
	at := func(n int64) ikev2.Output { return ikev2.Output{Deadline: time.Unix(n, 0)} }
	var o ikev2.Outputs
	var order []int64
	var carryOut func(out ikev2.Output)
	carryOut = func(out ikev2.Output) {
		n := out.Deadline.Unix()
		if n < 10 {
			o.Do(at(10*n), carryOut)
			o.Do(at(10*n+1), carryOut)
		}
		order = append(order, n)
	}
	o.Do(at(1), carryOut)
	require.Equal(t, []int64{1, 10, 11}, order)

	require.Panics(t, func() {
		o.Do(at(2), func(ikev2.Output) {
			o.Do(at(3), carryOut)
			panic("while it is carried out")
		})
	})
	order = nil
	o.Do(at(12), carryOut)
	require.Equal(t, []int64{12}, order, "what was queued before the panic is gone")
}
