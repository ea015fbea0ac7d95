// LMAX Disruptor: two threads of one virtual machine (it has no processes), single producer, busy
// spinning.  The consumer is BatchEventProcessor's loop written out: wait for the next sequence,
// handle all up to the one observed, move the own sequence once.  Batches are claimed by next(64)
// and published by publish(lo, hi).  Prints "threads" when both are there, and starts when it is
// sent a line: the caller pins them in between.
//
//     java -cp ... -Dcapacity=N -Dfew=N -Dpauses=N RingDisruptor MODE COUNT

import com.lmax.disruptor.BusySpinWaitStrategy;
import com.lmax.disruptor.RingBuffer;
import com.lmax.disruptor.Sequence;
import com.lmax.disruptor.SequenceBarrier;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;

public final class RingDisruptor {
    static final int WORDS = 7, PING_BLOCK = 64, WARM_RUNS = 3;
    static final int CAPACITY = Integer.getInteger("capacity");
    static final int FEW = Integer.getInteger("few"), PAUSES = Integer.getInteger("pauses");

    /** 56 bytes of payload behind the object's header. */
    static final class Message {
        long w0, w1, w2, w3, w4, w5, w6;

        void fill(long n) {
            w0 = n; w1 = n + 1; w2 = n + 2; w3 = n + 3; w4 = n + 4; w5 = n + 5; w6 = n + 6;
        }

        int wrong(long n) {
            long sum = w0 + w1 + w2 + w3 + w4 + w5 + w6;
            return sum == WORDS * n + WORDS * (WORDS - 1) / 2 ? 0 : 1;
        }
    }

    /** One ring with its one consumer's sequence. */
    static final class Ring {
        final RingBuffer<Message> buffer =
            RingBuffer.createSingleProducer(Message::new, CAPACITY, new BusySpinWaitStrategy());
        final SequenceBarrier barrier = buffer.newBarrier();
        final Sequence consumed = new Sequence(-1);
        long next = 0;

        Ring() { buffer.addGatingSequences(consumed); }

        void send() {
            long seq = buffer.next();
            buffer.get(seq).fill(seq);
            buffer.publish(seq);
        }

        void send(int batch) {
            long hi = buffer.next(batch), lo = hi - batch + 1;
            for (long seq = lo; seq <= hi; seq++) buffer.get(seq).fill(seq);
            buffer.publish(lo, hi);
        }

        long receive(long end) throws Exception {
            long bad = 0;
            while (next < end) {
                long begin = next, available = barrier.waitFor(next);
                for (; next <= available; next++) bad += buffer.get(next).wrong(next);
                consumed.set(available);
                if (next - begin < FEW) for (int i = 0; i < PAUSES; i++) Thread.onSpinWait();
            }
            return bad;
        }

        long receiveOne() throws Exception {
            barrier.waitFor(next);
            long bad = buffer.get(next).wrong(next);
            consumed.set(next++);
            return bad;
        }
    }

    interface Body { void run() throws Exception; }

    static volatile long bad = 0, startNs, endNs;

    static Thread thread(String name, CountDownLatch go, Body body) {
        Thread made = new Thread(() -> {
            try {
                go.await();
                body.run();
            } catch (Exception error) {
                error.printStackTrace();
                Runtime.getRuntime().halt(1);
            }
        }, name);
        made.start();
        return made;
    }

    static void produce(Ring ring, long count, int batch) {
        if (batch == 1) for (long i = 0; i < count; i++) ring.send();
        else for (long i = 0; i < count; i += batch) ring.send(batch);
    }

    static void throughput(CountDownLatch go, long count, int batch) throws Exception {
        Ring ring = new Ring();
        CyclicBarrier meet = new CyclicBarrier(2);
        Thread a = thread("peer-a", go, () -> {
            for (int run = 0; run <= WARM_RUNS; run++) {
                meet.await();
                startNs = System.nanoTime();
                produce(ring, count, batch);
                meet.await();
            }
        });
        Thread b = thread("peer-b", go, () -> {
            long end = 0, wrong = 0;
            for (int run = 0; run <= WARM_RUNS; run++) {
                meet.await();
                wrong += ring.receive(end += count);
                endNs = System.nanoTime();
                meet.await();
            }
            bad += wrong;
        });
        ready(go, a, b);
        System.out.printf("%.1f%n", count / ((endNs - startNs) * 1e-9));
    }

    static void roundTrips(CountDownLatch go, long count) throws Exception {
        Ring there = new Ring(), back = new Ring();
        int blocks = (int) (count / PING_BLOCK);
        long[] tookNs = new long[blocks];
        long total = (long) blocks * PING_BLOCK * (WARM_RUNS + 1);
        long[] wrong = new long[2];
        Thread a = thread("peer-a", go, () -> {
            for (int i = 0; i < blocks * (WARM_RUNS + 1); i++) {
                long before = System.nanoTime();
                for (int k = 0; k < PING_BLOCK; k++) {
                    there.send();
                    wrong[0] += back.receiveOne();
                }
                tookNs[i % blocks] = System.nanoTime() - before;
            }
        });
        Thread b = thread("peer-b", go, () -> {
            long found = 0;
            for (long i = 0; i < total; i++) {
                found += there.receiveOne();
                back.send();
            }
            wrong[1] = found;
        });
        ready(go, a, b);
        bad = wrong[0] + wrong[1];
        Arrays.sort(tookNs);
        System.out.printf("%.3f%n", (double) tookNs[blocks / 2] / PING_BLOCK);
    }

    static void ready(CountDownLatch go, Thread a, Thread b) throws Exception {
        System.out.println("threads");
        System.in.read();
        go.countDown();
        a.join();
        b.join();
    }

    public static void main(String[] args) throws Exception {
        long count = Long.parseLong(args[1]);
        CountDownLatch go = new CountDownLatch(1);
        if (args[0].equals("round_trip")) roundTrips(go, count);
        else throughput(go, count, Integer.parseInt(args[0].substring("publish_".length())));
        if (bad != 0) {
            System.err.println("messages lost, doubled or torn");
            System.exit(1);
        }
    }
}
