// SPDX-License-Identifier: Apache-2.0

//go:build linux

package ebpf

import "errors"

// Restore takes the programs and maps back that a successor in another process has opened, and left before it had begun.
func (u *UserPlane) Restore() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return errIsClosed
	}
	errs := []error{u.attach()}
	for mark, c := range u.children {
		errs = append(errs, u.objects.Children.Put(mark, c))
	}
	for teid, r := range u.sessions {
		errs = append(errs, u.objects.Sessions.Put(teid, &r.value))
	}
	return errors.Join(append(errs, u.sweepRates())...)
}

// Pause writes nothing into the maps from now on that is not asked for, until Resume: another process may have them. Packets flow on.
func (u *UserPlane) Pause() { u.setPaused(true) }

// Resume ends Pause.
func (u *UserPlane) Resume() { u.setPaused(false) }

func (u *UserPlane) setPaused(to bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.paused = to
}
