// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestImport(t *testing.T) {
	const theirs = "../../config/free5gc/testdata/camel.yaml"
	out, notes, err := execute(nil, "import", "free5gc", theirs)
	require.NoError(t, err)
	require.Contains(t, out, "profile: legacy-lab")
	require.Contains(t, notes, theirs+": line 33: configuration.xfrmInterfaceName: not carried over")
	require.Contains(t, notes, "still to be mended in the result:\nn3iwf.yaml:", "the certificate is not there")

	// With the certificate in place, the result is good as it is.
	dir := t.TempDir()
	_, _, err = execute(nil, "cert", "--dir", filepath.Join(dir, "cert"), "--name", "n3iwf.free5gc.org")
	require.NoError(t, err)
	file := filepath.Join(dir, "n3iwf.yaml")
	_, notes, err = execute(nil, "import", "free5gc", theirs, "-o", file)
	require.NoError(t, err)
	require.NotContains(t, notes, "still to be mended")
	_, _, err = execute(nil, "check", "-c", file)
	require.NoError(t, err)

	_, _, err = execute(nil, "import", "free5gc", theirs, "-o", file)
	require.ErrorContains(t, err, "exists; remove it")
	_, _, err = execute(nil, "import", "free5gc", filepath.Join(dir, "nothing"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, _, err = execute(nil, "import", "free5gc", file)
	require.ErrorContains(t, err, "not the configuration of a free5GC N3IWF")
}
