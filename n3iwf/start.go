// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"time"

	"github.com/open-n3iwf/n3iwf/nwu/eap5g"
)

// A UE may be faster than the first NG Setup of an N3IWF that has just started: its attempts to reach the N3IWF that was there before go on. It waits for
// its AMF instead of being sent away with a back-off timer of minutes, as the core is there in most cases, and a moment away.

// startPatience is how long after the start a registration waits for an AMF at most. It is shorter than what UEs give a response to IKE_AUTH and their NAS
// an answer (T3510, TS 24.501: 15 s).
const startPatience = 5 * time.Second

// noAMF is why a UE is refused that no AMF is there for.
const noAMF = "no AMF is connected that serves this UE"

// early is the first message of a UE that waits for an AMF.
type early struct {
	message eap5g.NASReceived
	request *amfRequest
}

// starting tells how long a UE may still wait for an AMF: while one of those that are configured has not been reached. 0 when it has waited enough.
func (nf *N3IWF) starting() time.Duration {
	left := time.Until(nf.started.Add(min(startPatience, nf.live().Timers.AMFAnswer)))
	for _, a := range nf.amfs.get() {
		if a.ng.Load() == nil && !a.reached.Load() {
			return max(left, 0)
		}
	}
	return 0
}

// awaitFirstAMF keeps the UE's first message. The UE waits with an EAP-5G response that has no answer, as it does for any answer of an AMF.
func (u *ue) awaitFirstAMF(e early, patience time.Duration) {
	u.early = &e
	u.log.Info("UE waits for an AMF: this N3IWF has just started", slog.String("path", u.path.String()), slog.Duration("at_most", patience))
	u.setGuard(patience, "the first NG connection after the start", func() {
		u.early = nil
		u.refuse(noAMF)
	})
}

// firstAMF lets the UEs that wait go on, each in its owner, now that an AMF is there.
func (nf *N3IWF) firstAMF() {
	nf.eachUE(func(u *ue) {
		if u.early != nil && u.state == stateEAP {
			if e := *u.early; u.chooseAMF(e) {
				u.early = nil
			}
		}
	})
}
