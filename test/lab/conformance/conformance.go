// SPDX-License-Identifier: Apache-2.0

// Package conformance runs a list of procedures against an N3IWF, this one or any other, and tells which ones it passes. Each check names the
// clause that it asks for. It sees the N3IWF as a UE does: IKE messages made here for what a well-behaved UE never sends, and the lab's whole UE
// for the rest. Behind the N3IWF may be the lab core or any other one that knows the subscriber.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// Options say where the N3IWF is and who the UE is.
type Options struct {
	// UE is the subscriber, the UE's address and the N3IWF's. With an Authority, the N3IWF's certificate is checked too.
	UE ue.Options
	// DNN and Slice are those of the PDU session, Ping an IPv4 address of the data network that answers echo requests.
	DNN   string
	Slice nas.SNSSAI
	Ping  netip.Addr
	// MoveTo is another local address of the same family; without it that move is not checked.
	MoveTo netip.Addr
	// FamilyLocal and FamilyN3IWF are a local address and the N3IWF's of the other IP family; without them that move is not checked.
	FamilyLocal, FamilyN3IWF netip.Addr
	// Cookies is how many IKE_SA_INIT requests are sent until one is answered with a cookie; 0 is 300.
	Cookies int
	// Only are the names of the checks that are run, with those that they need; empty is all.
	Only []string
	// Timeout bounds each check; 0 is 20 s.
	Timeout time.Duration
	// Done is told each result as it comes; nil is silent.
	Done func(Result)
}

// Outcome is what came of a check.
type Outcome string

// Outcomes. Skipped checks could not be made, for want of an address or of what an earlier check should have brought about.
const (
	Passed  Outcome = "pass"
	Failed  Outcome = "fail"
	Skipped Outcome = "skip"
)

// Result is one check.
type Result struct {
	Name    string        `json:"name"`
	Clause  string        `json:"clause"`
	Outcome Outcome       `json:"outcome"`
	Detail  string        `json:"detail"` // what was found, or what was wrong
	Took    time.Duration `json:"took_ns"`
}

// Report is all checks, in the order of running.
type Report struct {
	OK     bool     `json:"ok"` // none has failed and at least one has passed
	N3IWF  string   `json:"n3iwf"`
	Checks []Result `json:"checks"`
}

// check is one procedure. It returns what it found.
type check struct {
	name, clause string
	needs        string // name of a check that must have passed
	run          func(*world, context.Context) (string, error)
}

// skip says that a check cannot be made.
type skip string

func (s skip) Error() string { return string(s) }

// checks are in such an order that the UE's life goes through them once; the cookies come last, as they leave many half-open IKE SAs behind.
var checks = []check{
	{"ike-sa-init", "RFC 7296 1.2", "", (*world).init},
	{"nat-detection", "RFC 7296 2.23", "ike-sa-init", (*world).natDetection},
	{"retransmission", "RFC 7296 2.1", "ike-sa-init", (*world).retransmission},
	{"invalid-ke", "RFC 7296 1.3, 3.4", "ike-sa-init", (*world).invalidKE},
	{"no-proposal-chosen", "RFC 7296 2.7", "ike-sa-init", (*world).noProposal},
	{"minor-version", "RFC 7296 2.5", "ike-sa-init", (*world).minorVersion},
	{"major-version", "RFC 7296 2.5", "ike-sa-init", (*world).majorVersion},
	{"unknown-payload", "RFC 7296 2.5", "ike-sa-init", (*world).unknownPayload},
	{"critical-payload", "RFC 7296 2.5", "ike-sa-init", (*world).criticalPayload},
	{"bad-messages", "RFC 7296 2.21", "ike-sa-init", (*world).badMessages},
	{"bad-integrity", "RFC 7296 2.21.2", "ike-sa-init", (*world).badIntegrity},
	{"unknown-spi", "RFC 7296 2.21.4", "ike-sa-init", (*world).unknownSPI},
	{"registration", "TS 23.502 4.12.2.2, TS 24.502 7.3", "ike-sa-init", (*world).register},
	{"pdu-session", "TS 23.502 4.12.5, TS 24.502 7.5", "registration", (*world).establish},
	{"liveness", "RFC 7296 2.4", "registration", (*world).liveness},
	{"rekey-child", "RFC 7296 2.8, 1.3.3", "pdu-session", (*world).rekeyChild},
	{"rekey-ike", "RFC 7296 2.18, 1.3.2", "pdu-session", (*world).rekeyIKE},
	{"mobike-supported", "RFC 4555 3.1", "registration", (*world).mobike},
	{"move-port", "RFC 4555 3.5", "pdu-session", (*world).movePort},
	{"move-address", "RFC 4555 3.5", "pdu-session", (*world).moveAddress},
	{"move-family", "RFC 4555 3.5", "pdu-session", (*world).moveFamily},
	{"rekey-after-move", "RFC 4555 3.5", "move-port", (*world).rekeyChild},
	{"session-release", "TS 23.502 4.12.7", "pdu-session", (*world).release},
	{"deregistration", "TS 23.502 4.12.3", "registration", (*world).deregister},
	{"certificate", "TS 33.501 7.2.1, RFC 7296 2.15", "deregistration", (*world).certificate},
	{"fragmentation", "RFC 7383 2.3, 2.5", "deregistration", (*world).fragmentation},
	{"reject", "TS 23.502 4.12.2.2, RFC 3748 4.2", "deregistration", (*world).reject},
	{"cookie", "RFC 7296 2.6", "ike-sa-init", (*world).cookie},
}

// Names of all checks, in the order of running.
func Names() (names []string) {
	for _, c := range checks {
		names = append(names, c.name)
	}
	return names
}

// world is what the checks leave to those that follow.
type world struct {
	o       Options
	raw     *raw
	group   uint16 // of the key exchange that the N3IWF has accepted
	ue      *ue.UE
	probe   *probe.Probe
	session *ue.Session
}

// Run makes the checks. It fails only when it cannot begin.
func Run(ctx context.Context, o Options) (*Report, error) {
	wanted, err := o.wanted()
	if err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	if o.Cookies == 0 {
		o.Cookies = 300
	}
	w := &world{o: o}
	if w.raw, err = newRaw(o.UE); err != nil {
		return nil, err
	}
	defer w.close()
	r := &Report{OK: true, N3IWF: o.UE.N3IWF.String()}
	passed := map[string]bool{}
	for _, c := range checks {
		if !wanted[c.name] {
			continue
		}
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		one := Result{Name: c.name, Clause: c.clause}
		if c.needs != "" && !passed[c.needs] {
			one.Outcome, one.Detail = Skipped, "needs "+c.needs
		} else {
			one = w.try(ctx, c, one)
		}
		passed[c.name] = one.Outcome == Passed
		r.OK = r.OK && one.Outcome != Failed
		r.Checks = append(r.Checks, one)
		if o.Done != nil {
			o.Done(one)
		}
	}
	r.OK = r.OK && slices.ContainsFunc(r.Checks, func(c Result) bool { return c.Outcome == Passed })
	return r, nil
}

func (w *world) try(ctx context.Context, c check, one Result) Result {
	ctx, cancel := context.WithTimeout(ctx, w.o.Timeout)
	defer cancel()
	start := time.Now()
	detail, err := c.run(w, ctx)
	one.Took = time.Since(start)
	var why skip
	switch {
	case err == nil:
		one.Outcome, one.Detail = Passed, detail
	case errors.As(err, &why):
		one.Outcome, one.Detail = Skipped, string(why)
	default:
		one.Outcome, one.Detail = Failed, err.Error()
	}
	return one
}

// wanted are the checks to run with those that they need.
func (o *Options) wanted() (map[string]bool, error) {
	wanted := map[string]bool{}
	for _, name := range o.Only {
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("no check %q; there are %s", name, strings.Join(Names(), ", "))
		}
		wanted[name] = true
	}
	for _, c := range slices.Backward(checks) {
		if len(o.Only) == 0 {
			wanted[c.name] = true
		}
		if wanted[c.name] && c.needs != "" {
			wanted[c.needs] = true
		}
	}
	return wanted, nil
}

func (w *world) close() {
	if w.ue != nil {
		_ = w.ue.Close()
	}
	_ = w.raw.conn.Close()
}
