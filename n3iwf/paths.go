// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// PathRecord is one path that a UE has had.
type PathRecord struct {
	At   time.Time  `json:"at"` // since when
	Path ikev2.Path `json:"path"`
	// Why says how it came: registered, update (the UE's UPDATE_SA_ADDRESSES), rebind (its NAT), node (it came from another node), asked (this N3IWF sends
	// from another address of its own and has asked the UE to come there), back (the UE did not come).
	Why string `json:"why"`
	// Proven tells that the UE has answered there.
	Proven bool `json:"proven"`
	// NAT tells that the UE was behind one, as far as its message said.
	NAT bool `json:"nat"`
	// Took is how long user data stayed on the former path after the UE had told its new one: the return routability check.
	Took time.Duration `json:"tookNanoseconds"`
	// Lost are downlink packets that were dropped meanwhile because the path was not proven.
	Lost uint64 `json:"lost"`
}

// noteArrival completes the latest path when user data has moved there.
func (u *ue) noteArrival() {
	if len(u.paths) == 0 {
		return
	}
	last := &u.paths[len(u.paths)-1]
	last.Took, last.Lost = time.Since(u.movedAt), u.heldPackets()-u.heldBefore
}

// heldPackets counts the downlink packets that were dropped for want of a proven path, of all child SAs.
func (u *ue) heldPackets() (n uint64) {
	for id := range u.children {
		if st, err := u.nf.dataPlane.Stats(id); err == nil {
			n += st.Held
		}
	}
	return n
}

// maxPaths is how many paths of a UE are remembered.
const maxPaths = 16

// notePath remembers a new path.
func (u *ue) notePath(path ikev2.Path, why string) {
	if len(u.paths) == maxPaths {
		u.paths = append(u.paths[:0], u.paths[1:]...)
	}
	u.paths = append(u.paths, PathRecord{At: time.Now(), Path: path, Why: why, NAT: u.session.NAT().PeerBehindNAT})
}

// noteProof marks the path that has been proven.
func (u *ue) noteProof(path ikev2.Path) {
	for i := range u.paths {
		u.paths[i].Proven = u.paths[i].Proven || u.paths[i].Path == path
	}
}
