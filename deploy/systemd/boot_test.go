// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// boot starts a systemd in namespaces of processes, mounts, cgroups and network, on this machine's files: /etc and /var/lib are layers that go with it,
// /run is empty but for $LAB. It ends when check.target's service has. It must not see the processes of others, so that its cgroup is a child.
const boot = `
set -euo pipefail
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/cgroup /run/lab /run/etc/upper /run/etc/work
mount --bind "$LAB" /run/lab
mount -t cgroup2 cgroup2 /run/cgroup
own=/run/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
cgroup=$(mktemp -d "$own/n3iwf-XXXXXXXX")
echo $$ > "$cgroup/cgroup.procs"
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work overlay /etc
mount -t tmpfs -o mode=755 tmpfs /var/lib
mkdir -p /etc/n3iwf
cp /run/lab/etc/* /etc/n3iwf/
ip link set lo up
result=0
unshare --cgroup --pid --fork --kill-child bash -euc '
mount --make-rshared /
mount -t bpf -o mode=700 bpf /sys/fs/bpf
mount -t proc proc /proc
umount -R /sys/fs/cgroup || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
export container=lab SYSTEMD_UNIT_PATH=/run/lab/units
exec /lib/systemd/systemd --system --unit=check.target --log-target=console --show-status=false' || result=$?
echo $$ > "$own/cgroup.procs"
find "$cgroup" -depth -type d -exec rmdir {} \; || true
exit $result
`

// checkUnits are what else that systemd knows.
var checkUnits = map[string]string{
	"check.target": "[Unit]\nDefaultDependencies=no\nWants=check.service\n",
	"check.service": `[Unit]
DefaultDependencies=no
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
TimeoutStartSec=90
StandardOutput=file:/run/lab/out
StandardError=file:/run/lab/out
ExecStart=/bin/bash -euxo pipefail /run/lab/check
`,
	// There is no journal.
	"n3iwf.service.d/log.conf": "[Service]\nStandardOutput=append:/run/lab/log\nStandardError=append:/run/lab/log\n",
	"network-online.target":    "[Unit]\nDefaultDependencies=no\n",
	"sysinit.target":           "[Unit]\nDefaultDependencies=no\n",
	"basic.target":             "[Unit]\nDefaultDependencies=no\n",
	"shutdown.target":          "[Unit]\nDefaultDependencies=no\n",
	"system.slice":             "[Unit]\nDefaultDependencies=no\n",
}

// check is what an operator does, with a lab around.
const check = `
cd /run/lab
./nwulab core -c core.yaml 2> core.log &
systemctl start n3iwf
until ./n3iwf status; do sleep 0.1; done
./nwulab ue -c ue.yaml --once
! ./n3iwf ues | grep 127.0.0.2
# Only what the unit says, and the key as a copy.
pid=$(systemctl show -P MainPID n3iwf)
grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/$pid/status
test "$(stat -c %u /proc/$pid)" != 0
test "$(stat -c %a:%u /etc/n3iwf/n3iwf.key)" = 600:0
# A reload that changes something.
sed -i '/^log:/d' /etc/n3iwf/n3iwf.yaml
echo 'log: {level: debug}' >> /etc/n3iwf/n3iwf.yaml
systemctl reload n3iwf
until test "$(./n3iwf log-level)" = debug; do sleep 0.1; done
# A certificate with another key.
./n3iwf cert --dir renewed --name n3iwf.lab.example
cp renewed/n3iwf.pem renewed/n3iwf.key /etc/n3iwf/
cp renewed/ca.key /etc/n3iwf/other.key
systemctl reload n3iwf
until grep 'certificate reloaded' log; do sleep 0.1; done
test "$(systemctl show -P MainPID n3iwf)" = "$pid"
cmp /etc/n3iwf/n3iwf.key /run/n3iwf-key/n3iwf.key
cmp /etc/n3iwf/other.key /run/n3iwf-key/other.key
test "$(stat -c %a:%u /run/n3iwf-key/n3iwf.key)" = "600:$(stat -c %u /proc/$pid)"
test "$(stat -c %a:%u /run/n3iwf-key)" = 711:0
test "$(stat -c %a:%u /etc/n3iwf/n3iwf.key)" = 600:0
# An upgrade in place: another process is the main one, and nothing was restarted.
systemctl kill -s USR2 --kill-whom=main n3iwf
until test "$(systemctl show -P MainPID n3iwf)" != $pid; do sleep 0.1; done
until ./n3iwf status; do sleep 0.1; done
! kill -0 $pid
test "$(systemctl show -P ActiveState n3iwf)" = active
test "$(systemctl show -P NRestarts n3iwf)" = 0
systemctl restart n3iwf
until ./n3iwf status; do sleep 0.1; done
systemctl stop n3iwf
test ! -e /run/n3iwf-key
systemctl show -P Result n3iwf
# What the drop-in for the kernel data plane allows and what not, and what the unit alone does.
systemctl start probe-kernel
systemctl start probe-user
echo all is well
`

// probe is the unit with another program in the place of the N3IWF.
func probe(t *testing.T, folder, name string, dropIns ...string) {
	t.Helper()
	unit := install(t, folder, name, "/run/lab/probe", dropIns...)
	text, err := os.ReadFile(unit)
	require.NoError(t, err)
	text = regexp.MustCompile(`(?m)^(ExecStartPre=.*|ExecReload=.*|Restart.*|Type=.*|ExecStopPost=.*)\n`).ReplaceAll(text, nil)
	text = append(text, fmt.Sprintf("[Service]\nType=oneshot\nEnvironment=KERNEL_PROBE=1\nStandardOutput=append:/run/lab/%s\nStandardError=append:/run/lab/%[1]s\n", name)...)
	require.NoError(t, os.WriteFile(unit, text, 0o644))
}

// TestStart lets a systemd start the N3IWF as the unit says, in namespaces of its own: a UE registers, its PDU session carries a ping; reload, restart and
// stop do what they should. Whatever the unit forbids is forbidden meanwhile.
func TestStart(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedTool(t, "/lib/systemd/systemd", "systemd")
	for _, tool := range []string{"unshare", "mount"} {
		testenv.NeedTool(t, tool, "util-linux")
	}
	testenv.NeedTool(t, "ip", "iproute2")
	lab := t.TempDir()
	for _, folder := range []string{"units", "etc"} {
		require.NoError(t, os.Mkdir(filepath.Join(lab, folder), 0o755))
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", lab+"/", "../../cmd/...")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	units := filepath.Join(lab, "units")
	install(t, units, "n3iwf", "/run/lab/n3iwf")
	self, err := os.Executable()
	require.NoError(t, err)
	out, err = exec.CommandContext(t.Context(), "cp", self, filepath.Join(lab, "probe")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	probe(t, units, "probe-kernel", "kernel.conf")
	probe(t, units, "probe-user")
	require.NoError(t, os.Mkdir(filepath.Join(lab, "units", "n3iwf.service.d"), 0o755))
	for name, text := range checkUnits {
		require.NoError(t, os.WriteFile(filepath.Join(lab, "units", name), []byte(text), 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(lab, "check"), []byte(check), 0o644))
	out, err = exec.CommandContext(t.Context(), filepath.Join(lab, "n3iwf"), "cert", "--dir", filepath.Join(lab, "etc"), "--name", "n3iwf.lab.example").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for to, from := range map[string]string{"etc/n3iwf.yaml": "config/lab.example.yaml", "core.yaml": "test/lab/core/core.example.yaml", "ue.yaml": "test/lab/ue/ue.example.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(from)))
		require.NoError(t, err)
		text = []byte(strings.Replace(string(text), "authority: n3iwf.pem", "authority: etc/ca.pem", 1))
		require.NoError(t, os.WriteFile(filepath.Join(lab, filepath.FromSlash(to)), text, 0o644))
	}

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--net", "--uts", "--ipc", "bash", "-c", boot)
	cmd.Env = append(os.Environ(), "LAB="+lab)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	var console bytes.Buffer
	cmd.Stdout, cmd.Stderr = &console, &console
	err = cmd.Run()
	said, _ := os.ReadFile(filepath.Join(lab, "out")) // absent when it did not come so far
	log, _ := os.ReadFile(filepath.Join(lab, "log"))
	require.NoError(t, err, "%s\n%s\n%s", console.String(), said, log)
	text := string(said)
	require.Contains(t, text, "all is well", "%s", console.String())
	require.Contains(t, text, "\nsuccess\n")
	require.Contains(t, text, "CapEff:\t0000000000000400", "CAP_NET_BIND_SERVICE")
	require.Contains(t, text, "CapBnd:\t0000000000000400")
	require.Contains(t, text, "NoNewPrivs:\t1")
	require.Contains(t, text, "Seccomp:\t2")
	require.Contains(t, text, "ping 192.0.2.1")

	const no, readOnly, family = "operation not permitted", "read-only file system", "address family not supported by protocol"
	for name, want := range map[string]map[string]string{
		"probe-kernel": {
			"packet socket": "<nil>", "raw socket": "<nil>", "netlink socket": "<nil>", "forced buffer": "<nil>", "sysctl of the network": "<nil>",
			"pinned map": "<nil>", "bluetooth socket": family, "sysctl of the kernel": readOnly, "/sys": readOnly, "file system": readOnly, "chroot": no,
		},
		"probe-user": {
			"packet socket": family, "raw socket": no, "netlink socket": "<nil>", "forced buffer": no, "sysctl of the network": readOnly,
			"pinned map": no, "bluetooth socket": family, "sysctl of the kernel": "permission denied", "/sys": "permission denied", "file system": readOnly, "chroot": no,
		},
	} {
		said, err := os.ReadFile(filepath.Join(lab, name))
		require.NoError(t, err)
		for what, answer := range want {
			require.Regexp(t, "(?m)^"+regexp.QuoteMeta(what)+": (.* )?"+answer+"( .*)?$", string(said), "%s\n%s", name, said)
		}
	}
}
