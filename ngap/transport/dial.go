// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"errors"
)

// Dial opens an association with one of the peer's addresses.
func Dial(ctx context.Context, o Options) (Association, error) {
	return nil, errors.New("not built yet")
}

// Listen waits for associations.
func Listen(o Options) (Listener, error) {
	return nil, errors.New("not built yet")
}
