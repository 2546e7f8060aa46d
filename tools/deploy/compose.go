// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// load reads compose files as `docker compose -f ... config` does: schema, merge, consistency. What a profile alone starts is among
// the disabled services.
func load(dir string, files ...types.ConfigFile) (*types.Project, error) {
	return loader.LoadWithContext(context.Background(), types.ConfigDetails{WorkingDir: dir, ConfigFiles: files, Environment: types.Mapping{}},
		func(o *loader.Options) { o.SetProjectName("check", true) })
}

// labFile checks the lab: everything that it mounts, builds and runs is there, and what it mounts is good.
func labFile(root, program string) error {
	dir, err := filepath.Abs(filepath.Join(root, "deploy/compose"))
	if err != nil {
		return err
	}
	p, err := load(dir, types.ConfigFile{Filename: filepath.Join(dir, "lab.yaml")})
	if err != nil {
		return err
	}
	stage := regexp.MustCompile(`(?m)^FROM \S+ AS (\S+)$`)
	for _, s := range p.Services {
		dockerfile := filepath.Join(s.Build.Context, s.Build.Dockerfile)
		text, err := os.ReadFile(dockerfile)
		if err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
		stages := stage.FindAllStringSubmatch(string(text), -1)
		if !slices.ContainsFunc(stages, func(m []string) bool { return m[1] == s.Build.Target }) {
			return fmt.Errorf("service %s: %s has no stage %s", s.Name, dockerfile, s.Build.Target)
		}
		file, err := mounted(s)
		if err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
		config, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
		if address := s.Networks["lab"].Ipv4Address; !strings.Contains(string(config), address) {
			return fmt.Errorf("service %s: %s does not have its address %s", s.Name, file, address)
		}
	}
	file, err := mounted(p.Services["n3iwf"])
	if err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return inContainer(p.Services["n3iwf"], p.DisabledServices["cert"], string(text), program)
}

// mounted gives the file on this machine that the command of a service reads with -c.
func mounted(s types.ServiceConfig) (string, error) {
	i := slices.Index(s.Command, "-c")
	if i < 0 || i+1 == len(s.Command) {
		return "", fmt.Errorf("its command %v names no file", s.Command)
	}
	for _, v := range s.Volumes {
		if rest, ok := strings.CutPrefix(s.Command[i+1], v.Target); ok && (rest == "" || rest[0] == '/') {
			return v.Source + rest, nil
		}
	}
	return "", fmt.Errorf("%s is in no volume", s.Command[i+1])
}

// theirs has what the override needs of free5gc-compose: the names of its services and of its network, and what it must take away.
const theirs = `
services:
  free5gc-n3iwf:
    container_name: n3iwf
    build: {context: ./nf_n3iwf}
    command: sh -c "./n3iwf-ipsec.sh && ./n3iwf -n3iwfcfg ../config/n3iwfcfg.yaml"
    volumes: ["./config/n3iwfcfg.yaml:/free5gc/config/n3iwfcfg.yaml", "./config/n3iwf-ipsec.sh:/free5gc/n3iwf/n3iwf-ipsec.sh"]
    cap_add: [NET_ADMIN]
    networks: {privnet: {aliases: [n3iwf.free5gc.org]}}
    depends_on: [free5gc-amf, free5gc-smf, free5gc-upf]
  free5gc-amf: {image: amf, networks: {privnet: {aliases: [amf.free5gc.org]}}}
  free5gc-smf: {image: smf, networks: [privnet]}
  free5gc-upf: {image: upf, networks: [privnet]}
networks:
  privnet: {ipam: {config: [{subnet: 10.100.200.0/24}]}}
`

// override checks that nothing of free5GC's N3IWF is left, and that an imported configuration is good where the override mounts it.
func override(root, program string) error {
	dir, err := os.MkdirTemp("", "compose")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file, err := filepath.Abs(filepath.Join(root, "deploy/compose/free5gc.override.yaml"))
	if err != nil {
		return err
	}
	p, err := load(dir, types.ConfigFile{Filename: filepath.Join(dir, "docker-compose.yaml"), Content: []byte(theirs)}, types.ConfigFile{Filename: file})
	if err != nil {
		return err
	}
	s := p.Services["free5gc-n3iwf"]
	switch {
	case s.Build != nil:
		return fmt.Errorf("the image would be built from %s", s.Build.Context)
	case len(s.CapAdd) > 0 || !slices.Equal(s.CapDrop, []string{"ALL"}):
		return fmt.Errorf("capabilities %v are left", s.CapAdd)
	case s.Networks["privnet"].Ipv4Address == "":
		return fmt.Errorf("it has no address of its own")
	}
	source, err := mounted(s)
	if err != nil {
		return err
	}
	if want := filepath.Join(dir, "config/n3iwf.yaml"); source != want {
		return fmt.Errorf("it mounts %s, and the instructions write %s", source, want)
	}
	theirFile := filepath.Join(dir, "n3iwfcfg.yaml")
	if err := os.WriteFile(theirFile, []byte(theirConfiguration), 0o600); err != nil {
		return err
	}
	text, err := exec.Command(program, "import", "free5gc", theirFile).Output()
	if err != nil {
		return fmt.Errorf("n3iwf import: %w", err)
	}
	// File names are relative to the configuration file, which is in /config there.
	there := strings.ReplaceAll(string(text), `: "cert/`, `: "/config/cert/`)
	if there == string(text) {
		return fmt.Errorf("the imported configuration has no certificate in cert:\n%s", text)
	}
	return inContainer(s, p.DisabledServices["n3iwf-cert"], there, program)
}

// theirConfiguration says what free5gc-compose's n3iwfcfg.yaml says. The instructions import it, and change nothing of it.
const theirConfiguration = `
configuration:
  N3IWFInformation:
    GlobalN3IWFID: {PLMNID: {MCC: 208, MNC: 93}, N3IWFID: 135}
    Name: free5GC_N3IWF
    SupportedTAList:
      - TAC: 000001
        BroadcastPLMNList: [{PLMNID: {MCC: 208, MNC: 93}, TAISliceSupportList: [{SNSSAI: {SST: 1, SD: 010203}}]}]
  AMFSCTPAddresses: [{IP: [amf.free5gc.org], Port: 38412}]
  NASTCPPort: 20000
  IKEBindAddress: n3iwf.free5gc.org
  IPSecTunnelAddress: 10.0.0.1
  UEIPAddressRange: 10.0.0.0/24
  GTPBindAddress: n3iwf.free5gc.org
  FQDN: n3iwf.free5gc.org
  PrivateKey: cert/n3iwf.key
  Certificate: cert/n3iwf.pem
`
