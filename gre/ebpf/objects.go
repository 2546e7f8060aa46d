// SPDX-License-Identifier: Apache-2.0

//go:build linux

package ebpf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// Values that userplane.bpf.c has too.
const (
	upOther = iota
	upForm
	upFragment
	upGSO
	upOversize
	upMessage
	upExtension
	upHeld
	upCount
)

const (
	dropSource = iota
	dropDestination
	dropFlags
	dropQFI
	dropEmpty
	dropRate
	dropFailed
	dropCount
)

const (
	typeByVersion = 1
	noQFI         = 0xff
)

// objects are the programs and maps in the kernel.
type objects struct {
	userplaneObjects
	pinned bool
}

// loadObjects loads programs and maps. Maps that are pinned in that folder are taken over; with "" nothing is pinned. Maps of another shape,
// of another version of this program, are replaced; the others are kept.
func loadObjects(xfrmLink int, folder string, maxSessions int) (*objects, error) {
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, fmt.Errorf("locked memory (kernels before 5.11 count maps as such): %w", err)
	}
	o, err := tryObjects(xfrmLink, folder, maxSessions)
	if folder != "" && errors.Is(err, ebpf.ErrMapIncompatible) {
		if err := unpinOthers(folder, maxSessions); err != nil {
			return nil, err
		}
		o, err = tryObjects(xfrmLink, folder, maxSessions)
	}
	return o, err
}

func tryObjects(xfrmLink int, folder string, maxSessions int) (*objects, error) {
	spec, err := newSpec(xfrmLink, features.HaveProgramHelper(ebpf.SchedCLS, asm.FnKtimeGetCoarseNs) == nil)
	if err != nil {
		return nil, err
	}
	o := &objects{pinned: folder != ""}
	var options ebpf.CollectionOptions
	for _, s := range sized(spec, maxSessions) {
		if folder != "" {
			s.Pinning = ebpf.PinByName
		}
	}
	if folder != "" {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
		options.Maps.PinPath = folder
	}
	if err := spec.LoadAndAssign(&o.userplaneObjects, &options); err != nil {
		return nil, err
	}
	return o, nil
}

// sized gives the maps that are pinned.
func sized(spec *ebpf.CollectionSpec, maxSessions int) (list []*ebpf.MapSpec) {
	for _, m := range []string{
		userplaneMapChildren, userplaneMapSessions, userplaneMapUplinkCounts, userplaneMapDownlinkCounts, userplaneMapFlows, userplaneMapBuckets, userplaneMapHandedUp,
		userplaneMapTotals,
	} {
		s := spec.Maps[m]
		if maxSessions > 0 && m != userplaneMapHandedUp && m != userplaneMapTotals {
			s.MaxEntries = uint32(maxSessions)
		}
		list = append(list, s)
	}
	return list
}

// newSpec is what to load. The verifier leaves out what the constants rule out, so that the kernel need not have the coarse clock.
func newSpec(xfrmLink int, coarseClock bool) (*ebpf.CollectionSpec, error) {
	spec, err := loadUserplane()
	if err != nil {
		return nil, err
	}
	return spec, errors.Join(spec.Variables[userplaneVarXfrmLink].Set(uint32(xfrmLink)), spec.Variables[userplaneVarCoarseClock].Set(coarseClock))
}

// unpinOthers removes the maps of a folder that are of another shape.
func unpinOthers(folder string, maxSessions int) error {
	spec, err := loadUserplane()
	if err != nil {
		return err
	}
	for _, s := range sized(spec, maxSessions) {
		pin := filepath.Join(folder, s.Name)
		m, err := ebpf.LoadPinnedMap(pin, nil)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("pinned map %s: %w", pin, err)
		}
		if s.Compatible(m) != nil {
			err = os.Remove(pin)
		}
		if err := errors.Join(err, m.Close()); err != nil {
			return fmt.Errorf("replace pinned map %s: %w", pin, err)
		}
	}
	return nil
}

// unpin removes the maps of a folder; they go with the programs that use them.
func unpin(folder string) error {
	err := os.RemoveAll(folder)
	if err != nil {
		return fmt.Errorf("remove pinned maps: %w", err)
	}
	return nil
}

// canPin tells whether folder is, or will be, in a BPF file system.
func canPin(folder string) error {
	at := folder
	for {
		var st unix.Statfs_t
		err := unix.Statfs(at, &st)
		switch {
		case err == nil && uint32(st.Type) == unix.BPF_FS_MAGIC:
			return nil
		case err == nil:
			return fmt.Errorf("%s is not in a BPF file system: mount -t bpf bpf /sys/fs/bpf", folder)
		case !errors.Is(err, unix.ENOENT):
			return fmt.Errorf("%s: %w", at, err)
		}
		at = filepath.Dir(at)
	}
}
