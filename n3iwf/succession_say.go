// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// One process of an N3IWF goes on in the place of another one on the same host, with all UEs or with none. The predecessor lets what is under way come to
// its end and begins nothing new; then it stands still and tells the successor all that it has, with its sockets; whatever comes meanwhile waits in
// those, and what is in the kernel goes on by itself. The successor builds all of it up, without sending anything, and says so; the predecessor lets
// it begin, and ends. Until then nothing has changed, and when the successor fails, or dies, the predecessor goes on.

// What is said, in this order.
const (
	sayHello        = 1 + iota // successor: successorHello
	sayRefusal                 // either: refusalOfAll, and it is over
	sayAssociations            // predecessor: []amfWill, of which the successor needs to dial some associations anew
	sayPrepared                // successor: nothing is missing
	sayWill                    // predecessor: will, with all files
	sayUE                      // predecessor: ueContext, for each UE
	sayAll                     // predecessor: that was all
	sayReady                   // successor: it has all UEs
	sayGo                      // predecessor: it does nothing any more
	sayBegun                   // successor: it has begun
	sayNGAP                    // predecessor: lateNGAP that came to an association that it still has
	sayNGAPOver                // predecessor: its associations have ended, or are the successor's
)

// successionVersion is raised when two processes would not understand each other.
const successionVersion = 1

type successorHello struct {
	Version int
	Program string
	Shape   map[string]string
	// Force: UEs that cannot go on by Patience are released.
	Force    bool
	Patience time.Duration
}

type refusalOfAll struct {
	Why  string
	Keys []string // of the configuration, by which both are different; nil: it is about something else
}

// otherShape is why a process does not hand on to one with another configuration.
type otherShape struct{ keys []string }

func (e *otherShape) Error() string {
	return "these keys of the configuration are not as in the running process; let that reload them first, or restart it where they change only with a restart: " +
		strings.Join(e.keys, "; ")
}

// refusalFor says err to the other process.
func refusalFor(err error) refusalOfAll {
	r := refusalOfAll{Why: err.Error()}
	if e := (*otherShape)(nil); errors.As(err, &e) {
		r.Keys = e.keys
	}
	return r
}

// err is what the refused process makes of it: each key, and what its change takes.
func (r *refusalOfAll) err() error {
	var all []error
	for _, group := range r.Keys {
		for key := range strings.SplitSeq(group, ", ") {
			key, _, _ = strings.Cut(key, " ")
			do := "its change takes a restart"
			if kind := config.ReloadOfKey(key); kind == config.ReloadNow || kind == config.ReloadNew {
				do = "let that one reload the file first (SIGHUP)"
			}
			all = append(all, &config.KeyError{Key: key, What: "may be another one in the running process", Do: do})
		}
	}
	if len(all) == 0 {
		return errors.New(r.Why)
	}
	return errors.Join(append(all, errors.New(r.Why))...)
}

// will is what the predecessor has beside its UEs.
type will struct {
	SessionKey []byte // of ikev2.Session.Snapshot
	DataPlane  []byte
	Files      int // of the data plane
	Sockets    []socketWill
	TEIDs      []byte
	N3         []int // sockets of each N3 address
	AMFs       []amfWill
	NextIDs    []uint32 // of the owners
	UEs        int
	UserPlane  string // UserPlaneStatus.Kind
}

type socketWill struct {
	Kind  ipsec.Kind
	Local netip.AddrPort
	Files int
}

// amfWill is an NG connection.
type amfWill struct {
	AMF         string // of the configuration
	Name        string // as the AMF calls itself
	Since       time.Time
	State       []byte // as NG SETUP RESPONSE
	Response    []byte
	Refused     string // why the AMF goes by an earlier configuration
	Overload    []byte // OVERLOAD START; nil: none
	TNLAs       []tnlaWill
	Bound       map[uint32]int // by RAN-UE-NGAP-ID, index of TNLAs
	Unavailable []guamiWill
}

type tnlaWill struct {
	Remote []netip.Addr
	Port   uint16
	Weight uint8
	Usage  ngap.TNLAssociationUsage
	Up     bool
	File   bool // it is handed on; else the successor dials another one
}

type guamiWill struct {
	GUAMI  guamiContext
	Backup string
	Timer  bool
}

type lateNGAP struct {
	AMF  string // as in amfWill
	TNLA int    // index of its TNLAs
	PDU  []byte
}

// key tells the AMFs of a configuration apart.
func (a *amf) key() string { return fmt.Sprint(a.cfg) }

// shape is what must be the same in both processes, by the keys of the configuration.
func (nf *N3IWF) shape() map[string]string {
	c := nf.live()
	return map[string]string{
		"n3iwf.globalN3IWFID":                           fmt.Sprint(c.N3IWF.GlobalN3IWFID),
		"n3iwf.name, n3iwf.supportedTAs":                fmt.Sprintf("%s %+v", c.N3IWF.Name, c.N3IWF.SupportedTAs),
		"nwu.addresses, nwu.ikePort, nwu.nattPort":      fmt.Sprint(c.NWu.Addresses, c.NWu.IKEPort, c.NWu.NATTPort),
		"nwu.uePools":                                   fmt.Sprint(c.NWu.UEPools),
		"nwu.nas":                                       fmt.Sprint(nasAddresses(&c.NWu), c.NWu.NAS.Port),
		"nwu.userPlane.ipv4, nwu.userPlane.ipv6":        fmt.Sprint(c.NWu.UserPlane.IPv4, c.NWu.UserPlane.IPv6),
		"nwu.ike.profile":                               c.NWu.IKE.Profile,
		"nwu.mobike.enabled":                            fmt.Sprint(c.NWu.MOBIKE.Enabled),
		"nwu.udpEncapsulation, nwu.esp.plain":           fmt.Sprint(c.NWu.UDPEncapsulation, c.NWu.ESP.Plain),
		"n3.addresses, n3.port":                         fmt.Sprint(nf.n3Addresses()),
		"dataPlane.kind, dataPlane.interfaceID":         fmt.Sprint(c.DataPlane.Kind, c.DataPlane.InterfaceID),
		"dataPlane.workers (or the processors allowed)": fmt.Sprint(nf.workerCount()),
	}
}

// different are the keys whose values are not the same.
func different(a, b map[string]string) (keys []string) {
	for k, v := range a {
		if b[k] != v {
			keys = append(keys, k)
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// dataPlaneEstate takes the data plane's part of the files, and gives the rest.
func (w *will) dataPlaneEstate(files []*os.File) (*ipsec.Estate, []*os.File) {
	take := func(n int) []*os.File {
		n = max(0, min(n, len(files))) // less than there should be fails later
		part := files[:n:n]
		files = files[n:]
		return part
	}
	e := &ipsec.Estate{State: w.DataPlane, Files: take(w.Files)}
	for _, s := range w.Sockets {
		e.Sockets = append(e.Sockets, ipsec.SocketFiles{Socket: ipsec.Socket{Kind: s.Kind, Local: s.Local}, Files: take(s.Files)})
	}
	return e, files
}

func (w *will) relayEstate(files []*os.File) (*relay.Estate, []*os.File) {
	e := &relay.Estate{TEIDs: w.TEIDs}
	for _, n := range w.N3 {
		n = max(0, min(n, len(files)))
		e.Sockets = append(e.Sockets, files[:n:n])
		files = files[n:]
	}
	return e, files
}
