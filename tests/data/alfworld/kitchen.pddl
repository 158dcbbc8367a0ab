; A kitchen small enough to work out every answer by hand.
; Both drawers are reached from the same place; one pen lies in a box; a chair stands
; at the countertop, on the floor.
(define (problem kitchen)
 (:domain alfred)
 (:objects
    agent1 - agent
    loc_bar_0 loc_bar_1 loc_bar_2 loc_bar_3 loc_bar_4 loc_bar_5 - location
    Fridge_bar_1 CounterTop_bar_1 Drawer_bar_1 Drawer_bar_2 Sink_bar_1_bar_SinkBasin
    Microwave_bar_1 - receptacle
    Apple_bar_1 Apple_bar_2 Knife_bar_1 Pen_bar_1 Box_bar_1 Chair_bar_1 DeskLamp_bar_1
    Unused - object
    AppleType KnifeType PenType BoxType DeskLampType - otype
    FridgeType CounterTopType DrawerType SinkBasinType MicrowaveType - rtype
 )
 (:init
    (atLocation agent1 loc_bar_0)
    (receptacleType Fridge_bar_1 FridgeType) (receptacleAtLocation Fridge_bar_1 loc_bar_1)
    (receptacleType CounterTop_bar_1 CounterTopType) (receptacleAtLocation CounterTop_bar_1 loc_bar_2)
    (receptacleType Drawer_bar_1 DrawerType) (receptacleAtLocation Drawer_bar_1 loc_bar_3)
    (receptacleType Drawer_bar_2 DrawerType) (receptacleAtLocation Drawer_bar_2 loc_bar_3)
    (receptacleType Sink_bar_1_bar_SinkBasin SinkBasinType)
    (receptacleAtLocation Sink_bar_1_bar_SinkBasin loc_bar_4)
    (receptacleType Microwave_bar_1 MicrowaveType) (receptacleAtLocation Microwave_bar_1 loc_bar_5)
    (openable Fridge_bar_1) (openable Drawer_bar_1) (openable Drawer_bar_2) (openable Microwave_bar_1)
    (objectType Apple_bar_1 AppleType) (objectType Apple_bar_2 AppleType)
    (objectType Knife_bar_1 KnifeType) (objectType Pen_bar_1 PenType)
    (objectType Box_bar_1 BoxType) (objectType DeskLamp_bar_1 DeskLampType)
    (pickupable Apple_bar_1) (pickupable Apple_bar_2) (pickupable Knife_bar_1) (pickupable Pen_bar_1)
    (pickupable Box_bar_1)
    (heatable Apple_bar_1) (coolable Apple_bar_1) (cleanable Apple_bar_1) (cleanable Knife_bar_1)
    (sliceable Apple_bar_1) (sliceable Apple_bar_2) (isCool Apple_bar_2)
    (toggleable DeskLamp_bar_1) (isReceptacleObject Box_bar_1)
    (canContain FridgeType AppleType) (canContain CounterTopType AppleType)
    (canContain CounterTopType KnifeType) (canContain CounterTopType BoxType)
    (canContain DrawerType PenType) (canContain DrawerType KnifeType)
    (canContain SinkBasinType AppleType)
    (inReceptacle Apple_bar_1 CounterTop_bar_1) (objectAtLocation Apple_bar_1 loc_bar_2)
    (inReceptacle Apple_bar_2 Fridge_bar_1) (objectAtLocation Apple_bar_2 loc_bar_1)
    (inReceptacle Knife_bar_1 CounterTop_bar_1) (objectAtLocation Knife_bar_1 loc_bar_2)
    (inReceptacle Box_bar_1 CounterTop_bar_1) (objectAtLocation Box_bar_1 loc_bar_2)
    (inReceptacle DeskLamp_bar_1 CounterTop_bar_1) (objectAtLocation DeskLamp_bar_1 loc_bar_2)
    (inReceptacleObject Pen_bar_1 Box_bar_1)
    (inReceptacle Pen_bar_1 Drawer_bar_2) (objectAtLocation Pen_bar_1 loc_bar_3)
    (objectAtLocation Chair_bar_1 loc_bar_2)
    (= (total-cost) 0)
 )
 (:goal (and (exists (?r - receptacle) (exists (?o - object) (and
    (heatable ?o) (objectType ?o AppleType) (receptacleType ?r FridgeType)
    (isHot ?o) (inReceptacle ?o ?r)
 )))))
)
