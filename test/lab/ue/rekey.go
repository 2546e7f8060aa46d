// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// rekeys are the calls that wait for one.
type rekeys struct {
	children chan error
	old      map[uint32]bool // inbound SPIs of the pairs that are still there
	ike      chan error
}

var errRekeying = errors.New("another rekey is under way")

// RekeyChildren rekeys all child SAs and returns when none of the old ones is left, whoever has replaced them.
func (u *UE) RekeyChildren(ctx context.Context) error {
	return u.await(ctx, "rekey of the child SAs", func(done chan error) {
		if u.rekey.children != nil {
			done <- errRekeying
			return
		}
		u.rekey.children, u.rekey.old = done, map[uint32]bool{}
		var spis []uint32
		for _, sa := range u.session.Children() {
			u.rekey.old[sa.InboundSPI] = true
			spis = append(spis, sa.InboundSPI)
		}
		u.apply(u.session.RekeyChild(time.Now(), spis...))
	})
}

// RekeyIKE rekeys the IKE SA and returns when another one is in use, whoever has started it.
func (u *UE) RekeyIKE(ctx context.Context) error {
	return u.await(ctx, "rekey of the IKE SA", func(done chan error) {
		if u.rekey.ike != nil {
			done <- errRekeying
			return
		}
		u.rekey.ike = done
		u.apply(u.session.RekeyIKE(time.Now()))
	})
}

// Busy lets the UE answer TEMPORARY_FAILURE to whoever wants to make or rekey SAs, or ends that.
func (u *UE) Busy(ctx context.Context, busy bool) error {
	return u.await(ctx, "busy", func(done chan error) {
		if busy {
			u.apply(u.session.Quiesce(time.Now()))
		} else {
			u.apply(u.session.Resume(time.Now()))
		}
		done <- nil
	})
}

func (u *UE) childRekeyed(inbound uint32) {
	delete(u.rekey.old, inbound)
	if len(u.rekey.old) == 0 {
		settle(&u.rekey.children, nil)
	}
}

func (u *UE) ikeRekeyed() { settle(&u.rekey.ike, nil) }

func (u *UE) rekeyFailed(ev ikev2.RekeyFailed) {
	err := fmt.Errorf("the N3IWF refused: %w", ev.Err)
	if ev.Child != nil {
		settle(&u.rekey.children, err)
		return
	}
	settle(&u.rekey.ike, err)
}

func settle(c *chan error, err error) {
	if *c != nil {
		*c <- err
		*c = nil
	}
}
