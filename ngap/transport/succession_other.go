// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package transport

import "os"

// Inherit is for kernels with SCTP that this package can use.
func Inherit(Options, *os.File) (Heritable, error) { return nil, ErrKernelUnsupported }
