// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"os"
	"strconv"
	"sync"
)

// Slowness is how many times longer than usual things may take on this machine: 1, or the whole number in TESTENV_SLOWNESS,
// which test/vm sets for its emulated one. Tests multiply limits by it, and the timers of protocols whose peer is another
// program.
var Slowness = sync.OnceValue(func() int {
	n, err := strconv.Atoi(os.Getenv("TESTENV_SLOWNESS"))
	if err != nil {
		return 1
	}
	return max(n, 1)
})
