// SPDX-License-Identifier: Apache-2.0

package ipsec

// PathJudge is what a DataPlane has beside when there are paths that it cannot have SAs on, whichever they are.
type PathJudge interface {
	// Usable tells why a path is none, with ErrPath; nil is that it may be one.
	Usable(path Path) error
}

// Preparer is what a DataPlane has beside when it cannot receive from every path at any time.
type Preparer interface {
	// Prepare receives for ids on another path too, besides the one in use, for some seconds or until a Move to it. What is sent does not change. Call
	// it as soon as the peer may use that path. A change of the encapsulation alone cannot be prepared; that is no error.
	Prepare(path Path, ids ...ChildID) error
}
