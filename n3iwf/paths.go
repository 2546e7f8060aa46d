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
	// Why says how it came: registered, update (the UE's UPDATE_SA_ADDRESSES), rebind (its NAT), node (it came from another node).
	Why string `json:"why"`
	// Proven tells that the UE has answered there.
	Proven bool `json:"proven"`
}

// maxPaths is how many paths of a UE are remembered.
const maxPaths = 16

// notePath remembers a new path.
func (u *ue) notePath(path ikev2.Path, why string) {
	if len(u.paths) == maxPaths {
		u.paths = append(u.paths[:0], u.paths[1:]...)
	}
	u.paths = append(u.paths, PathRecord{At: time.Now(), Path: path, Why: why})
}

// noteProof marks the path that has been proven.
func (u *ue) noteProof(path ikev2.Path) {
	for i := range u.paths {
		u.paths[i].Proven = u.paths[i].Proven || u.paths[i].Path == path
	}
}
