// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package transport

import "context"

// ProbeKernel tells whether this machine's kernel has SCTP that this package
// can use; only Linux is known.
func ProbeKernel() error { return ErrKernelUnsupported }

func dialKernel(context.Context, Options, uint16) (Association, error) {
	return nil, ErrKernelUnsupported
}

func listenKernel(Options, uint16) (Listener, error) { return nil, ErrKernelUnsupported }
