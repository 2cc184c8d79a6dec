import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.util.List;
import org.projectfloodlight.openflow.protocol.*;
import org.projectfloodlight.openflow.protocol.match.MatchField;
import org.projectfloodlight.openflow.protocol.stat.StatField;
import org.projectfloodlight.openflow.types.*;

/** Prints, one a line in hexadecimal, what of OpenFlow 1.5 only a switch says and Open vSwitch does not. Run by tools/record-openflowj.mjs. */
public class RecordOpenflowj {
    private static final OFFactory FACTORY = OFFactories.getFactory(OFVersion.OF_15);

    private static void say(OFMessage.Builder message) {
        ByteBuf bytes = Unpooled.buffer();
        message.setXid(7).build().writeTo(bytes);
        System.out.println("< " + ByteBufUtil.hexDump(bytes));
    }

    private static OFControllerStatusEntry status(int shortId, OFControllerStatusReason reason, OFControlChannelStatus channel) {
        // No URI: openflowj gives that property a fixed length, and puts four bytes in it.
        return FACTORY.buildControllerStatusEntry().setShortId(shortId).setRole(OFControllerRole.ROLE_MASTER).setReason(reason).setChannelStatus(channel).setProperties(List.of()).build();
    }

    public static void main(String[] arguments) {
        OFControllerStatusEntry added = status(513, OFControllerStatusReason.CONTROLLER_ADDED, OFControlChannelStatus.STATUS_UP);
        OFControllerStatusEntry down = status(514, OFControllerStatusReason.CHANNEL_STATUS, OFControlChannelStatus.STATUS_DOWN);
        say(FACTORY.buildControllerStatus().setEntry(added));
        say(FACTORY.buildControllerStatus().setEntry(down));
        say(FACTORY.buildControllerStatusStatsReply().setControllerStatus(List.of(added, down)));

        // Of the counters only these two: openflowj numbers the others one lower than OpenFlow 1.5 does.
        OFFlowLightweightStatsEntry flow = FACTORY.buildFlowLightweightStatsEntry().setTableId(TableId.of(3)).setReason(OFFlowStatsReason.STAT_TRIGGER).setPriority(9)
            .setMatch(FACTORY.buildMatch().setExact(MatchField.IN_PORT, OFPort.of(3)).build())
            .setStats(FACTORY.buildStat().set(StatField.DURATION, U64.of(8L << 32 | 900)).set(StatField.IDLE_TIME, U64.of(4L << 32 | 5)).build()).build();
        say(FACTORY.buildFlowLightweightStatsReply().setEntries(List.of(flow)));
        // Not bundle features: openflowj gives their capabilities four bytes, where OpenFlow 1.5 has two.
    }
}
