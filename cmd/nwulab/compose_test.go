// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// The lab of deploy/compose has configurations that the lab reads, of a UE that its core knows.
func TestComposeConfigurations(t *testing.T) {
	c, err := core.LoadConfig("../../deploy/compose/config/core.yaml")
	require.NoError(t, err)
	u, err := ue.LoadConfig("../../deploy/compose/config/ue.yaml")
	require.NoError(t, err)
	require.Equal(t, c.Subscribers[0].IMSI, u.Subscriber.IMSI)
}
