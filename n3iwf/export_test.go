// SPDX-License-Identifier: Apache-2.0

package n3iwf

import "testing"

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
