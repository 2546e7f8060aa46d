// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// options are those of the UE, changed.
func (w *world) options(change func(*ue.Options)) ue.Options {
	o := w.o.UE
	o.Authority, o.N3IWFIdentity = nil, "" // the certificate has a check of its own
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if change != nil {
		change(&o)
	}
	return o
}

// register brings the UE through IKE, EAP-5G and the registration.
func (w *world) register(ctx context.Context) (detail string, err error) {
	if w.ue, err = ue.New(w.options(nil)); err != nil {
		return "", err
	}
	if err := w.ue.Register(ctx); err != nil {
		return "", err
	}
	s := w.ue.State()
	if len(s.Inner) == 0 || len(s.Children) == 0 {
		return "", fmt.Errorf("no inner address or no signalling SA: %+v", s)
	}
	return fmt.Sprintf("EAP-5G, signalling SA, inner address %s, NAS over TCP", s.Inner[0]), nil
}

// establish brings a PDU session up and pings over it.
func (w *world) establish(ctx context.Context) (detail string, err error) {
	if w.session, err = w.ue.EstablishSession(ctx, 1, w.o.DNN, &w.o.Slice); err != nil {
		return "", err
	}
	w.probe = probe.New(w.ue, w.session, w.o.Ping)
	if err := w.ping(ctx); err != nil {
		return "", err
	}
	flows := w.session.QFIs()
	slices.Sort(flows)
	return fmt.Sprintf("address %s, QoS flows %v, %s answers", w.session.Address(), flows, w.o.Ping), nil
}

func (w *world) ping(ctx context.Context) error {
	_, err := w.probe.Ping(ctx, 2)
	return err
}

func (w *world) liveness(ctx context.Context) (string, error) {
	start := time.Now()
	err := w.ue.Probe(ctx)
	return fmt.Sprintf("an empty INFORMATIONAL is answered after %s", time.Since(start).Round(10*time.Microsecond)), err
}

// rekeyChild rekeys all child SAs; it wants other SPIs and user data as before.
func (w *world) rekeyChild(ctx context.Context) (string, error) {
	before := w.ue.State()
	if err := w.ue.RekeyChildren(ctx); err != nil {
		return "", err
	}
	after := w.ue.State()
	for _, old := range before.Children {
		for _, now := range after.Children {
			if old.Inbound == now.Inbound || old.Outbound == now.Outbound || old.Keys == now.Keys {
				return "", fmt.Errorf("the child SA %08x has kept an SPI or its keys", old.Inbound)
			}
		}
	}
	if len(after.Children) != len(before.Children) {
		return "", fmt.Errorf("%d child SAs became %d", len(before.Children), len(after.Children))
	}
	return fmt.Sprintf("%d child SAs", len(after.Children)), w.ping(ctx)
}

func (w *world) rekeyIKE(ctx context.Context) (string, error) {
	before := w.ue.State()
	if err := w.ue.RekeyIKE(ctx); err != nil {
		return "", err
	}
	after := w.ue.State()
	if before.IKE == after.IKE {
		return "", errors.New("the SPIs are the same")
	}
	if !reflect.DeepEqual(before.Children, after.Children) {
		return "", errors.New("the child SAs did not stay")
	}
	if err := w.ue.Probe(ctx); err != nil {
		return "", fmt.Errorf("the new IKE SA: %w", err)
	}
	return "the child SAs stay", w.ping(ctx)
}

func (w *world) mobike(context.Context) (string, error) {
	if !w.ue.State().MOBIKE {
		return "", errors.New("no MOBIKE_SUPPORTED in the last IKE_AUTH response")
	}
	return "MOBIKE_SUPPORTED", nil
}

// moveTo moves the UE and wants everything but the path to stay.
func (w *world) moveTo(ctx context.Context, local netip.AddrPort, n3iwf netip.Addr) (string, error) {
	before := w.ue.State()
	if !before.MOBIKE {
		return "", errors.New("the N3IWF has no MOBIKE")
	}
	if err := w.ue.MoveTo(ctx, local, netip.AddrPortFrom(n3iwf, cmp.Or(w.o.UE.NATTPort, 4500))); err != nil {
		return "", err
	}
	// The first answers may still come on the former path, until the N3IWF has proven the new one.
	for arrived := false; !arrived; {
		if err := w.ping(ctx); err != nil {
			return "", fmt.Errorf("user data after the move: %w", err)
		}
		short, cancel := context.WithTimeout(ctx, between)
		_, err := w.ue.Arrived(short)
		cancel()
		if arrived = err == nil; !arrived && ctx.Err() != nil {
			return "", err
		}
	}
	after := w.ue.State()
	if after.IKE != before.IKE || !reflect.DeepEqual(after.Children, before.Children) || !reflect.DeepEqual(after.Sessions, before.Sessions) ||
		!reflect.DeepEqual(after.Inner, before.Inner) {
		return "", fmt.Errorf("SPIs, keys, addresses or sessions changed: %+v, %+v", before, after)
	}
	detail := fmt.Sprintf("to %s; everything else stays", local)
	if after.RoutabilityChecks > before.RoutabilityChecks {
		detail += "; the path was proven (RFC 4555 3.7)"
	}
	return detail, nil
}

// natt is the UE's first port of NAT traversal.
func (w *world) natt() uint16 {
	return cmp.Or(w.o.UE.LocalNATT, 4500)
}

func (w *world) movePort(ctx context.Context) (string, error) {
	return w.moveTo(ctx, netip.AddrPortFrom(w.o.UE.Local, w.natt()+1), w.o.UE.N3IWF)
}

func (w *world) moveAddress(ctx context.Context) (string, error) {
	if !w.o.MoveTo.IsValid() {
		return "", skip("no second local address was given")
	}
	return w.moveTo(ctx, netip.AddrPortFrom(w.o.MoveTo, w.natt()), w.o.UE.N3IWF)
}

// moveFamily goes to the other IP family and back.
func (w *world) moveFamily(ctx context.Context) (string, error) {
	if !w.o.FamilyLocal.IsValid() || !w.o.FamilyN3IWF.IsValid() {
		return "", skip("no addresses of the other IP family were given")
	}
	detail, err := w.moveTo(ctx, netip.AddrPortFrom(w.o.FamilyLocal, w.natt()), w.o.FamilyN3IWF)
	if err != nil {
		return "", err
	}
	if _, err := w.moveTo(ctx, netip.AddrPortFrom(w.o.UE.Local, w.natt()), w.o.UE.N3IWF); err != nil {
		return "", fmt.Errorf("back: %w", err)
	}
	return detail + "; and back", nil
}

// release gives the PDU session up; its child SAs must go.
func (w *world) release(ctx context.Context) (string, error) {
	if err := w.ue.ReleaseSession(ctx, 1); err != nil {
		return "", err
	}
	err := w.until(ctx, func() bool { return len(w.ue.State().Children) == 1 })
	if err != nil {
		return "", fmt.Errorf("child SAs besides the signalling SA stay: %w", err)
	}
	return "its child SAs are deleted", nil
}

// until waits for a state of the UE.
func (w *world) until(ctx context.Context, is func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// deregister leaves; the N3IWF must delete the IKE SA.
func (w *world) deregister(ctx context.Context) (string, error) {
	u := w.ue
	err := u.Deregister(ctx)
	w.ue = nil
	return "the N3IWF deletes the IKE SA", errors.Join(err, u.Close())
}

// aside runs a registration by a UE of its own, which leaves when it has succeeded.
func (w *world) aside(ctx context.Context, change func(*ue.Options)) (registration, rest error) {
	u, err := ue.New(w.options(change))
	if err != nil {
		return nil, err
	}
	defer func() { rest = errors.Join(rest, u.Close()) }()
	if err := u.Register(ctx); err != nil {
		// The IKE SA must not stay behind.
		if ctx.Err() != nil || u.State().IKE[0] == "" {
			return err, nil
		}
		return err, w.ended(ctx, u)
	}
	return nil, u.Deregister(ctx)
}

// ended waits until the UE's IKE SA is closed, after which every procedure fails at once.
func (w *world) ended(ctx context.Context, u *ue.UE) error {
	return w.until(ctx, func() bool {
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		err := u.Busy(short, false)
		return err != nil && !errors.Is(err, context.DeadlineExceeded)
	})
}

func (w *world) certificate(ctx context.Context) (string, error) {
	if w.o.UE.Authority == nil {
		return "", skip("no authority was given")
	}
	registration, rest := w.aside(ctx, func(o *ue.Options) { o.Authority, o.N3IWFIdentity = w.o.UE.Authority, w.o.UE.N3IWFIdentity })
	return "names " + w.o.UE.N3IWFIdentity + " and comes from the authority", errors.Join(registration, rest)
}

// fragmentation registers with every longer IKE message in fragments.
func (w *world) fragmentation(ctx context.Context) (string, error) {
	const size = 160
	_, m, data, err := w.fresh(ctx, nil)
	if err != nil {
		return "", err
	}
	if message.GetNotify(m.Payloads, message.IKEV2_FRAGMENTATION_SUPPORTED) == nil {
		return "", fmt.Errorf("no IKEV2_FRAGMENTATION_SUPPORTED in %s", describe(data))
	}
	registration, rest := w.aside(ctx, func(o *ue.Options) { o.FragmentSize = size })
	return fmt.Sprintf("a registration in messages of at most %d octets", size), errors.Join(registration, rest)
}

// reject registers with a wrong key: the UE must be told, and the IKE SA must go.
func (w *world) reject(ctx context.Context) (string, error) {
	registration, rest := w.aside(ctx, func(o *ue.Options) { o.Subscriber.Key.K[0] ^= 1 })
	if registration == nil {
		return "", errors.New("a UE with a wrong key was registered")
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("the UE was not told: %w", registration)
	}
	return "a wrong key: " + registration.Error(), rest
}
