//go:build faults

package application

import "time"

func init() {
	rounds, overloadTime, overloadShare, faultTime, idleClients, idleNoise = 200, 30*time.Second, 0.8, time.Minute, 10_000, 2*time.Millisecond
	soakTime, soakMemory = time.Hour, 1.05
}
