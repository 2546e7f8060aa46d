// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A frame is kind (1 octet) | length of the body (4, big endian) | body.
const (
	frameHeader = 5
	// MaxBody bounds a frame: the largest body is a UE's context.
	MaxBody = 8 << 20
	// helloKind is the link's own kind: the first frame of each side, with the node's number and the owner's words.
	helloKind = 0
)

// ErrTooLong says that a body is longer than MaxBody.
var ErrTooLong = errors.New("cluster: frame too long")

func writeFrame(w io.Writer, kind uint8, body []byte) error {
	var head [frameHeader]byte
	head[0] = kind
	binary.BigEndian.PutUint32(head[1:], uint32(len(body)))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.Write(body)
	return err
}

// readFrame reads a frame. Memory for the body grows with what really comes.
func readFrame(r io.Reader) (kind uint8, body []byte, err error) {
	var head [frameHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > MaxBody {
		return 0, nil, fmt.Errorf("%w: %d octets", ErrTooLong, n)
	}
	const step = 64 << 10
	for uint32(len(body)) < n {
		at := len(body)
		body = append(body, make([]byte, min(step, int(n)-at))...)
		if _, err := io.ReadFull(r, body[at:]); err != nil {
			return 0, nil, errors.Join(io.ErrUnexpectedEOF, err)
		}
	}
	return head[0], body, nil
}
