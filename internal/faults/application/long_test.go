//go:build faults

package application

import "time"

func init() {
	rounds, faultTime, idleClients, idleNoise = 200, time.Minute, 10_000, 2*time.Millisecond
	overloadTime, overloadRounds, overloadShare = 10*time.Second, 5, 0.8
	soakTime, soakMemory, mostMemory = time.Hour, 1.05, 1.1*(1<<30)
}
