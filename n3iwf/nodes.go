// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/n3iwf/cluster"
)

// nodes are the other nodes of this N3IWF, and where UEs have gone. All identities that a node chooses (IKE and ESP SPIs, TEIDs, RAN-UE-NGAP-IDs)
// carry its number, so that whatever comes to the wrong node is sent on to the one that chose the identity, and from there to where its UE has gone
// since. A node that is alone has no link, and all of this does nothing.
type nodes struct {
	nf         *N3IWF
	node, bits int
	link       *cluster.Cluster
	sessionKey ikev2.TransferKey
	contextKey [32]byte

	mu      sync.RWMutex
	peers   map[int]*nodeHello
	byLocal map[netip.AddrPort]int // the peers' NWu sockets
	amfs    map[string]amfNews     // by name, of all nodes

	// Where UEs went. The lock is held for writing while a UE leaves, so that nothing falls between here and there.
	leaving sync.RWMutex
	ike     map[message.SPI]int
	esp     map[uint32]int
	ran     map[uint32]int
}

// nodeHello is what nodes tell each other first. Shape must be equal at all of them.
type nodeHello struct {
	Version int
	Shape   string
	NWu     []netip.Addr
	IKEPort uint16
	NATT    uint16
	N3      []netip.AddrPort
}

// nodeVersion is raised when nodes of two versions do not understand each other.
const nodeVersion = 1

func newNodes(nf *N3IWF) *nodes {
	n := &nodes{
		nf: nf, peers: map[int]*nodeHello{}, byLocal: map[netip.AddrPort]int{}, amfs: map[string]amfNews{},
		ike: map[message.SPI]int{}, esp: map[uint32]int{}, ran: map[uint32]int{},
	}
	if c := nf.live().Cluster; c.Enabled {
		n.node, n.bits = c.Node, c.NodeBits
	}
	return n
}

// open begins to listen for the other nodes and to call them.
func (n *nodes) open() error {
	c := n.nf.live().Cluster
	if !c.Enabled {
		return nil
	}
	octets, err := c.Secret()
	if err != nil {
		return fmt.Errorf("cluster.key: %w", err)
	}
	secret := cluster.Secret(octets)
	n.sessionKey, n.contextKey = secret.Derive("ikev2 session"), secret.Derive("ue context")
	o := cluster.Options{
		Node: n.node, Listen: netip.AddrPortFrom(c.Address, c.Port), Secret: secret, Hello: n.hello, Handler: n, Log: n.nf.log,
	}
	o.Peers = peersOf(c.Peers)
	n.link, err = cluster.New(o)
	return err
}

func peersOf(list []config.ClusterPeer) (peers []cluster.Peer) {
	for _, p := range list {
		peers = append(peers, cluster.Peer{Node: p.Node, Address: netip.AddrPortFrom(p.Address, p.Port)})
	}
	return peers
}

// reload takes other nodes in, and leaves others.
func (n *nodes) reload(old, next *config.Config) (Change, error) {
	if n.alone() || slices.Equal(old.Cluster.Peers, next.Cluster.Peers) {
		return Change{}, nil
	}
	return Change{Commit: func() {
		if err := n.link.SetPeers(peersOf(next.Cluster.Peers)); err != nil {
			n.nf.log.Error("cluster.peers", slog.Any("error", err)) // the check of the configuration has found none
		}
	}}, nil
}

func (n *nodes) close() error {
	if n.link == nil {
		return nil
	}
	return n.link.Close()
}

// alone tells that there are no other nodes.
func (n *nodes) alone() bool { return n.link == nil }

func (n *nodes) describe() nodeHello {
	c := n.nf.live()
	shape := sha256.Sum256([]byte(fmt.Sprint(n.nf.handover.Layout(), len(n.nf.owners), n.bits, nasAddresses(&c.NWu), c.NWu.NAS.Port, c.NWu.UserPlane.IPv4,
		c.NWu.UserPlane.IPv6, n.nf.prefixes(), c.N3IWF.GlobalN3IWFID, c.NWu.IKE.Profile, c.NWu.MOBIKE.Enabled, c.Cluster.Downlink)))
	return nodeHello{
		Version: nodeVersion, Shape: fmt.Sprintf("%x", shape[:8]), NWu: c.NWu.Addresses, IKEPort: c.NWu.IKEPort, NATT: c.NWu.NATTPort, N3: n.nf.relay.LocalAddr(),
	}
}

func (n *nodes) hello() []byte {
	b, err := json.Marshal(n.describe())
	if err != nil {
		n.nf.log.Error("cluster hello", slog.Any("error", err))
	}
	return b
}

var errOtherShape = errors.New("the other node is configured otherwise; make n3iwf.globalN3IWFID, nwu.uePools, nwu.nas, nwu.userPlane, nwu.ike.profile, " +
	"nwu.mobike.enabled, dataPlane, cluster.nodeBits and cluster.downlink the same at all nodes, the number of workers too")

// Up implements cluster.Handler.
func (n *nodes) Up(node int, hello []byte) error {
	var h nodeHello
	if err := json.Unmarshal(hello, &h); err != nil {
		return fmt.Errorf("hello of node %d: %w", node, err)
	}
	if h.Version != nodeVersion {
		return fmt.Errorf("node %d speaks version %d, this one %d; run one version of the program", node, h.Version, nodeVersion)
	}
	if h.Shape != n.describe().Shape {
		return errOtherShape
	}
	n.mu.Lock()
	n.peers[node] = &h
	for _, a := range h.NWu {
		for _, port := range []uint16{h.IKEPort, h.NATT} {
			n.byLocal[netip.AddrPortFrom(a, port)] = node
		}
	}
	news := n.ownAMFs()
	n.mu.Unlock()
	for _, a := range news {
		n.tell(node, a)
	}
	return nil
}

// Down implements cluster.Handler.
func (n *nodes) Down(node int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.peers, node)
	for a, of := range n.byLocal {
		if of == node {
			delete(n.byLocal, a)
		}
	}
}

// up tells whether there is a link to the node.
func (n *nodes) up(node int) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.peers[node] != nil
}

// list are the nodes with a link.
func (n *nodes) list() []int {
	n.mu.RLock()
	defer n.mu.RUnlock()
	list := make([]int, 0, len(n.peers))
	for node := range n.peers {
		list = append(list, node)
	}
	slices.Sort(list)
	return list
}

// at gives the node whose socket a local address is; false when it is none of another node.
func (n *nodes) at(local netip.AddrPort) (int, bool) {
	if n.link == nil {
		return 0, false
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	node, ok := n.byLocal[local]
	return node, ok
}

// addresses are the NWu addresses of a node, with the port for NAT traversal.
func (n *nodes) addresses(node int) (list []netip.AddrPort) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if h := n.peers[node]; h != nil {
		for _, a := range h.NWu {
			list = append(list, netip.AddrPortFrom(a, h.NATT))
		}
	}
	return list
}

// Message implements cluster.Handler.
func (n *nodes) Message(node int, kind uint8, body []byte) {
	if err := n.message(node, kind, body); err != nil {
		n.nf.log.Error("message of another node dropped", slog.Int("node", node), slog.Int("kind", int(kind)), slog.Any("error", err))
	}
}

func (n *nodes) message(node int, kind uint8, body []byte) error {
	switch kind {
	case nodeIKE:
		return n.takeIKE(body)
	case nodeSend:
		return n.sendFor(body)
	case nodeESP:
		return n.takeESP(body)
	case nodeOffer:
		return n.takeOffer(node, body)
	case nodeAccept:
		return n.takeAccept(node, body)
	case nodeRefuse:
		return n.takeRefuse(node, body)
	case nodeNGAP:
		return n.takeNGAP(body)
	case nodeNAS:
		return n.takeNAS(body)
	case nodeFreed:
		return n.takeFreed(body)
	case nodeAMF:
		return n.takeAMF(body)
	}
	return errNodeMessage
}
