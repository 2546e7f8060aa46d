// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// timeline sums up what happened, so that two runs can be compared, and prints it on request.
type timeline struct {
	w   *world
	out io.Writer // nil: only the sum
	sum uint64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// mix takes something that happened now into the sum.
func (t *timeline) mix(kind byte, who int, data []byte) {
	if t.w.profile.mlkem && len(data) > 28 {
		data = data[:28] // crypto/mlkem takes its randomness from elsewhere
	}
	for _, v := range [4]uint64{uint64(t.w.now), uint64(kind)<<32 | uint64(uint32(who)), uint64(len(data)), uint64(crc32.Checksum(data, castagnoli))} {
		t.sum = (t.sum ^ v) * 0x9e3779b97f4a7c15
		t.sum ^= t.sum >> 29
	}
}

// on tells whether print prints; ask before making arguments that cost.
func (t *timeline) on() bool { return t.out != nil }

func (t *timeline) print(format string, args ...any) {
	if t.out != nil {
		fmt.Fprintf(t.out, "%12.6f  %s\n", t.w.now.Round(time.Microsecond).Seconds(), fmt.Sprintf(format, args...))
	}
}
