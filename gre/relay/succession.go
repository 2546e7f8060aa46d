// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
)

// A process that goes on in the place of another one takes its N3 sockets over, and its sessions under their TEIDs: Pause, Bequeath; and Close in the old
// one, or Resume. The Relay with Options.Estate receives nothing before Resume.

// Estate is what a Relay leaves to one in another process. Whoever has it closes the files.
type Estate struct {
	Sockets [][]*os.File // by Options.Listen, then worker
	TEIDs   []byte       // which were used, and when
}

// Close closes all files.
func (e *Estate) Close() (err error) {
	for _, group := range e.Sockets {
		for _, f := range group {
			if f != nil {
				err = errors.Join(err, f.Close())
			}
		}
	}
	return err
}

// Pause receives nothing on N3 from now on: what comes waits in the sockets. It returns when the last packet has been handled, or with ctx's error, and
// then the Relay goes on.
func (r *Relay) Pause(ctx context.Context) error {
	for _, group := range r.sockets {
		for _, c := range group {
			if err := c.Pause(ctx); err != nil {
				r.Resume()
				return err
			}
		}
	}
	return nil
}

// Resume ends Pause, or begins where another Relay has left off.
func (r *Relay) Resume() {
	r.mu.Lock()
	for slot := range r.table.kept { // of sessions that have not come
		r.table.freed = append(r.table.freed, freedSlot{slot, r.options.Now()})
	}
	r.table.kept = nil
	r.mu.Unlock()
	r.coalesce() // the other one may have wanted the opposite
	for _, group := range r.sockets {
		for _, c := range group {
			c.Resume()
		}
	}
}

// Bequeath gives what a successor is made with.
func (r *Relay) Bequeath() (*Estate, error) {
	r.mu.Lock()
	teids, err := r.table.save()
	r.mu.Unlock()
	e := &Estate{TEIDs: teids}
	for _, group := range r.sockets {
		var files []*os.File
		for _, c := range group {
			f, ferr := c.File()
			err = errors.Join(err, ferr)
			files = append(files, f)
		}
		e.Sockets = append(e.Sockets, files)
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// openSockets opens those of the i-th N3 address, or goes on with another Relay's.
func (o *Options) openSockets(i int) ([]*udpbatch.Conn, error) {
	u := udpbatch.Options{Local: o.Listen[i]}
	switch {
	case o.Estate == nil:
		return udpbatch.ListenGroup(u, o.Workers, steering)
	case i >= len(o.Estate.Sockets) || len(o.Estate.Sockets[i]) != o.Workers:
		return nil, errors.New("the predecessor has other N3 addresses, or another number of workers")
	}
	return udpbatch.Inherit(u, o.Estate.Sockets[i])
}

// savedTable is the use of TEIDs: what has been used is not used again before its time.
type savedTable struct {
	Used  int
	Freed []savedSlot
}

type savedSlot struct {
	Slot uint32
	At   time.Time
}

func (t *table) save() ([]byte, error) {
	s := savedTable{Used: t.used}
	for _, f := range t.freed {
		s.Freed = append(s.Freed, savedSlot{f.slot, f.at})
	}
	return json.Marshal(&s)
}

// restore begins where another table has stood; the places of its sessions are kept for them.
func (t *table) restore(saved []byte) error {
	var s savedTable
	if err := json.Unmarshal(saved, &s); err != nil {
		return fmt.Errorf("%w: TEIDs of the predecessor: %w", ErrInvalid, err)
	}
	if s.Used < 0 || s.Used > t.room || len(s.Freed) > s.Used {
		return fmt.Errorf("%w: the predecessor has used %d TEIDs and freed %d", ErrInvalid, s.Used, len(s.Freed))
	}
	t.used, t.kept = s.Used, map[uint32]bool{}
	for slot := range uint32(s.Used) {
		t.kept[t.node+slot] = true
	}
	for _, f := range s.Freed {
		if !t.kept[f.Slot] {
			return fmt.Errorf("%w: the predecessor has freed TEID slot %d, which was not in use", ErrInvalid, f.Slot)
		}
		delete(t.kept, f.Slot)
		t.freed = append(t.freed, freedSlot{f.Slot, f.At})
	}
	return nil
}
