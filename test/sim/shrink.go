// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
)

// maxTries bounds the simulations that one shrinking takes.
const maxTries = 150

// shrink leaves operations out of a failing schedule as long as the same rule is still broken, and says how to run what
// remains.
func shrink(r result, d defect, name string) (keep []int, text string) {
	keep = make([]int, len(r.ops))
	for i := range keep {
		keep[i] = i
	}
	tries := 0
	fails := func(ops []int) bool {
		tries++
		s := simulate(r.seed, d, ops, nil)
		return s.broken != nil && s.broken.rule == r.broken.rule
	}
	for size := len(keep) / 2; size > 0 && tries < maxTries; size /= 2 {
		for i := 0; i+size <= len(keep) && tries < maxTries; {
			rest := append(append([]int{}, keep[:i]...), keep[i+size:]...)
			if fails(rest) {
				keep = rest
			} else {
				i += size
			}
		}
	}
	args := fmt.Sprintf("-seed %d", r.seed)
	if name != "" {
		args += " -break " + name
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  replay: go run ./test/sim %s -v\n", args)
	if len(keep) > 0 && len(keep) < len(r.ops) {
		var list []string
		for _, i := range keep {
			list = append(list, fmt.Sprint(i))
			fmt.Fprintf(&b, "    op %d: %v\n", i, r.ops[i])
		}
		fmt.Fprintf(&b, "  shrunk: go run ./test/sim %s -v -ops %s", args, strings.Join(list, ","))
	} else {
		fmt.Fprintf(&b, "  all %d operations are needed, or none", len(r.ops))
	}
	return keep, b.String()
}
