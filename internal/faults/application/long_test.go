//go:build faults

package application

import "time"

func init() {
	rounds, overloadTime, faultTime, idleClients = 200, 30*time.Second, time.Minute, 10_000
}
