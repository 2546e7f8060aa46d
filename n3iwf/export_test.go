// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"sync/atomic"
	"testing"
)

// For tests outside of the package, which use the API on top of it.
var (
	CertificateFiles = certificateFiles
	Populate         = populate
)

// Publish tells watchers of an event.
func (nf *N3IWF) Publish(e LiveEvent) { nf.publish(e) }

// Empty takes the UEs of Populate out again, whose sessions are hollow: nothing of them can be released.
func (nf *N3IWF) Empty(t testing.TB) {
	for _, o := range nf.owners {
		done := make(chan struct{})
		if !o.mail.post(func() { clear(o.byRANID); close(done) }) {
			t.Fatal("an owner has ended")
		}
		<-done
	}
}

// Breakable lets a test say that the data plane does not work, from before Serve on; nil: it does.
func Breakable(nf *N3IWF) (set func(error)) {
	b := breakable{dataPlane: nf.dataPlane, why: new(atomic.Pointer[error])}
	nf.dataPlane = b
	return func(err error) { b.why.Store(&err) }
}

type breakable struct {
	dataPlane
	why *atomic.Pointer[error]
}

func (b breakable) Working() error {
	if why := b.why.Load(); why != nil {
		return *why
	}
	return nil
}

// Associate makes the first AMF one that is connected.
func Associate(nf *N3IWF) {
	a := nf.amfs.get()[0]
	a.ng.Store(newNGConnection(a, &amfDescription{name: "amf"}))
}
