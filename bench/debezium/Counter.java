import io.debezium.embedded.Connect;
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import java.io.FileReader;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.connect.source.SourceRecord;

/** Debezium in the process, which only counts the events: java Counter.java <properties> <events to wait for>. */
public class Counter {
    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        try (FileReader file = new FileReader(args[0])) {
            properties.load(file);
        }
        long wanted = Long.parseLong(args[1]);
        AtomicLong seen = new AtomicLong();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        CountDownLatch done = new CountDownLatch(1);
        DebeziumEngine<ChangeEvent<SourceRecord, SourceRecord>> engine = DebeziumEngine.create(Connect.class)
                .using(properties)
                .using((ok, message, error) -> {
                    failure.set(error);
                    done.countDown();
                })
                .notifying((records, committer) -> {
                    for (ChangeEvent<SourceRecord, SourceRecord> record : records)
                        committer.markProcessed(record);
                    committer.markBatchFinished();
                    if (seen.addAndGet(records.size()) >= wanted)
                        done.countDown();
                })
                .build();
        Thread thread = new Thread(engine);
        thread.start();
        done.await();
        System.out.println(seen.get());
        if (failure.get() != null)
            failure.get().printStackTrace();
        engine.close();
        System.exit(seen.get() >= wanted ? 0 : 1);
    }
}
