// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// The processes of the demo are driven over standard input and output: one JSON object a line. A request has an id and a command; its response
// has the same id. Events have none.

// request is one command.
type request struct {
	ID   int             `json:"id"`
	Cmd  string          `json:"cmd"`
	Args json.RawMessage `json:"args,omitempty"`
}

// response is the outcome of a request, or an event.
type response struct {
	ID     int             `json:"id,omitempty"`
	Event  string          `json:"event,omitempty"`
	Error  string          `json:"error,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

// handler does one command.
type handler func(ctx context.Context, args json.RawMessage) (any, error)

// controlServer answers commands.
type controlServer struct {
	mu  sync.Mutex
	out io.Writer
}

func (c *controlServer) write(r response) {
	b, err := json.Marshal(r)
	if err != nil {
		b = fmt.Appendf(nil, `{"id":%d,"error":%q}`, r.ID, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.out.Write(append(b, '\n')) // whoever drives us is gone when this fails, and input ends too
}

// event tells of something that happened by itself.
func (c *controlServer) event(name string, detail any) {
	b, _ := json.Marshal(detail) // a string or a struct of numbers
	c.write(response{Event: name, Result: b})
}

// serve reads commands until input ends or ctx does. Commands run side by side.
func (c *controlServer) serve(ctx context.Context, in io.Reader, commands map[string]handler) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := make(chan []byte)
	failed := make(chan error, 1)
	go func() {
		s := bufio.NewScanner(in)
		for s.Scan() {
			select {
			case lines <- append([]byte(nil), s.Bytes()...):
			case <-ctx.Done():
				return
			}
		}
		failed <- s.Err()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case line := <-lines:
			var r request
			if err := json.Unmarshal(line, &r); err != nil {
				c.write(response{Error: err.Error()})
				continue
			}
			h := commands[r.Cmd]
			if h == nil {
				c.write(response{ID: r.ID, Error: fmt.Sprintf("unknown command %q", r.Cmd)})
				continue
			}
			running.Go(func() {
				result, err := h(ctx, r.Args)
				answer := response{ID: r.ID}
				if err != nil {
					answer.Error = err.Error()
				}
				if result != nil {
					answer.Result, _ = json.Marshal(result)
				}
				c.write(answer)
			})
		}
	}
}

// into decodes arguments.
func into[T any](args json.RawMessage) (T, error) {
	var v T
	if len(args) == 0 {
		return v, nil
	}
	err := json.Unmarshal(args, &v)
	return v, err
}
