// SPDX-License-Identifier: Apache-2.0

package udpbatch

import "unsafe"

func bytesOf(b []uint64) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(&b[0])), len(b)*8) }
