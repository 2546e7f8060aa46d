// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"os"
)

// Heritable is an Association that another process of the host can go on with, as the peer neither sees nor knows: one of ModeKernel.
type Heritable interface {
	Association
	// Pause receives nothing from now on: what comes waits in the kernel. It returns when the one goroutine that calls Receive has dealt with all that
	// came before and waits in it, or with ctx's error, and then receiving goes on.
	Pause(ctx context.Context) error
	// Resume ends Pause.
	Resume()
	// File gives another descriptor of the association for Inherit.
	File() (*os.File, error)
	// Release ends this object, and not the association, once another process has it.
	Release() error
}
