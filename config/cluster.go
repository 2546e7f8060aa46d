// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Cluster joins several nodes to one N3IWF: AMFs see one node with several TNL associations (TS 23.501 5.21.1), and UEs can be handed from node to
// node with all they have. All nodes have the same identity, pools, NAS and user-plane addresses, and workers.
type Cluster struct {
	// Enabled makes this N3IWF a node of a cluster.
	Enabled bool `yaml:"enabled" because:"it stands in SPIs, TEIDs and NGAP identities of all UEs"`
	// Node is this node's number, below 2 to the power of NodeBits. It stands in SPIs, TEIDs and NGAP identities.
	Node int `yaml:"node" range:"0,15" because:"it stands in SPIs, TEIDs and NGAP identities of all UEs"`
	// NodeBits is how many bits of those identities the number takes. The same at all nodes.
	NodeBits int `yaml:"nodeBits" range:"1,4" because:"it stands in SPIs, TEIDs and NGAP identities of all UEs"`
	// Address is where the other nodes reach this one. Default: all of this machine, IPv4.
	Address netip.Addr `yaml:"address" because:"the links to the other nodes stand on it"`
	// Port is the TCP port of Address.
	Port uint16 `yaml:"port" range:"1,65535" because:"the links to the other nodes stand on it"`
	// Peers are the other nodes. Drain a node before a reload takes it out.
	Peers []ClusterPeer `yaml:"peers" reload:"now"`
	// Key is a file with 64 hexadecimal digits (openssl rand -hex 32), or the digits themselves: the secret of the cluster. Whoever has it can take
	// over all UEs. It is never printed. Required in a cluster.
	Key Secret `yaml:"key" because:"the links to the other nodes stand on it"`
	// Downlink says how the downlink of a PDU session follows its UE to another node: "modifyIndication" asks the AMF to move the N3 tunnel
	// (TS 38.413 8.2.5), which TS 29.413 does not demand of AMFs for N3IWFs; "keepTunnel" keeps address and TEID, for nodes that have one N3 address
	// together, which a balancer in front of them or a routing protocol takes to the right one.
	Downlink string `yaml:"downlink" enum:"modifyIndication,keepTunnel" reload:"now"`
	// Grace is how long a node sends on what still comes for UEs that it has handed over.
	Grace time.Duration `yaml:"grace" range:"1s,1h" reload:"now"`
	// Rate is how many UEs a second are moved when a node is drained.
	Rate float64 `yaml:"rate" range:"0.1,10000" reload:"now"`
}

// ClusterPeer is another node of the cluster.
type ClusterPeer struct {
	// Node is its number.
	Node int `yaml:"node" range:"0,15"`
	// Address is where it is reached. Required.
	Address netip.Addr `yaml:"address"`
	// Port is the TCP port of Address.
	Port uint16 `yaml:"port" range:"1,65535"`
}

const defaultClusterPort = 7443

func (p *ClusterPeer) setDefaults() { p.Port = defaultClusterPort }

// Secret gives the octets of Key.
func (c *Cluster) Secret() (secret [32]byte, err error) {
	text := strings.TrimSpace(string(c.Key))
	if text == "" {
		return secret, errors.New("is missing")
	}
	if len(text) != 2*len(secret) {
		b, err := os.ReadFile(text)
		if err != nil {
			return secret, err
		}
		text = strings.TrimSpace(string(b))
	}
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(secret) {
		return secret, fmt.Errorf("want %d hexadecimal digits", 2*len(secret))
	}
	return [32]byte(b), nil
}

// relativeTo makes the file name relative to the folder of the configuration file.
func (c *Cluster) relativeTo(dir string) {
	key := strings.TrimSpace(string(c.Key))
	if key != "" && len(key) != 64 && !filepath.IsAbs(key) {
		c.Key = Secret(filepath.Join(dir, key))
	}
}

func (d *decoder) cluster(c *Config) {
	l := &c.Cluster
	if !l.Enabled {
		return
	}
	d.require(c.NWu.IKE.CrashSecret == "", "nwu.ike.crashSecret", "ends UEs that this node has handed to another one, if it restarts and they send it something",
		"remove it, or the cluster")
	d.require(c.DataPlane.Kind == "user", "dataPlane.kind", "of kernel cannot hand UEs to other nodes", "write user, or remove the cluster")
	d.count(len(l.Peers), 1, 15, "cluster.peers", "other node")
	nodes := 1 << l.NodeBits
	d.require(l.Node < nodes, "cluster.node", fmt.Sprintf("%d does not fit %d bits", l.Node, l.NodeBits), fmt.Sprintf("give 0 to %d, or enlarge cluster.nodeBits at all nodes", nodes-1))
	seen := map[int]bool{l.Node: true}
	for i, p := range l.Peers {
		key := fmt.Sprintf("cluster.peers[%d]", i)
		d.require(p.Node < nodes, key+".node", fmt.Sprintf("%d does not fit %d bits", p.Node, l.NodeBits), fmt.Sprintf("give 0 to %d, or enlarge cluster.nodeBits at all nodes", nodes-1))
		d.require(!seen[p.Node], key+".node", fmt.Sprintf("%d is there twice, or is this node's own", p.Node), "give each node its own number")
		seen[p.Node] = true
		d.require(p.Address.IsValid(), key+".address", "is missing", "give the address of the node")
		d.unicast(p.Address, key+".address")
	}
	if _, err := l.Secret(); err != nil {
		d.require(false, "cluster.key", err.Error(), "make the same file for all nodes with: openssl rand -hex 32")
	}
	d.require(!slices.ContainsFunc(c.NWu.Addresses, netip.Addr.IsUnspecified), "nwu.addresses",
		"does not name the addresses of this node, which the others must know", "list those that UEs reach one by one")
}
